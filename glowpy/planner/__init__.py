"""Plans made from graphs, and their pictures and texts."""
