"""What runs when and where, and what is lost with whom: pure machines."""
