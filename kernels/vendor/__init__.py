"""One file a vendor library: where it lies, what it serves, and how it is called."""
