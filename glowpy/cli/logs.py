"""The log of a server started from the command line: standard error, one line each."""

from __future__ import annotations

import logging

LEVELS = ("debug", "info", "warning", "error")


def log_to_stderr(level: str) -> None:
    """Log with time, level and name. `level` is one of LEVELS."""
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
