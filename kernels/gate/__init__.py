"""Decide from timings of two builds what became slower, what did not, and what nobody can tell. Pure functions, no clock."""
