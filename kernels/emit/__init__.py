"""Make machine code at run time, for this chip or for another."""
