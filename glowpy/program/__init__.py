"""What is shipped to agents: which files a program is made of, by name and SHA-256."""
