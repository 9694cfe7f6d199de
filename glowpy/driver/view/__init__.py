"""What is said of a run: while it goes on, when it is interrupted, and at its end."""
