"""One file an instruction set: its instructions, how each is emitted, and what each means in NumPy."""
