"""Messages, and the sockets for them."""
