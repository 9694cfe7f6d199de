"""Operators: one file per family, each with the steps it adds to the graph and its pure kernel."""
