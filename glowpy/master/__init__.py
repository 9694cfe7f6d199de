"""The master: which agents there are, and which driver may use how much of them."""
