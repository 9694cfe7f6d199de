"""The files of a program, shipped to agents by name and SHA-256."""
