"""How rows rest and travel."""
