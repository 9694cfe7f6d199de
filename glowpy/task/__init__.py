"""The execution of task groups, shared by every runner."""
