"""The driver: schedules a run and gathers its results."""
