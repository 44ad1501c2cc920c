"""What things are, and what was chosen. Standard library only."""
