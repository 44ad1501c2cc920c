"""Pure inference: from samples to levels, sizes and intervals."""
