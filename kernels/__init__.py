"""Make machine code, prove it, time it."""
