"""The user's API and the graph that it builds."""
