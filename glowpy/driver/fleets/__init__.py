"""Where a run's executors come from: this machine, or a cluster."""
