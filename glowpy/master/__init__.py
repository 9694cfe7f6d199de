"""The master: knows all agents, and decides each driver's share of their executors."""
