"""Output about a run: during it, on an interrupt, and at its end."""
