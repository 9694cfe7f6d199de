"""Operators, one file per family, each with its graph steps and its pure kernel."""
