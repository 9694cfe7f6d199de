"""Marks the threads that run a task group."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_this_thread = threading.local()


@contextmanager
def in_task() -> Iterator[None]:
    """Mark this thread as running a task group within this context."""
    _this_thread.is_in_task = True
    try:
        yield
    finally:
        _this_thread.is_in_task = False


def is_in_task() -> bool:
    """Return True if this thread runs a task group."""
    return getattr(_this_thread, "is_in_task", False)
