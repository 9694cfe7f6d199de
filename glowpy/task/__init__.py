"""Running task groups: the only execution path."""
