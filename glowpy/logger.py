"""The loggers of this package: silent unless the program, or a command, configures logging."""

from __future__ import annotations

import logging

logging.getLogger("glowpy").addHandler(logging.NullHandler())


def get_logger(name: str) -> logging.Logger:
    """The logger of a module, by the module's name."""
    return logging.getLogger(name)
