"""From a graph to a plan, and what can be drawn of it."""
