"""Servers of a cluster on this host as child processes."""
