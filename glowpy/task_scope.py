"""Which threads run a task group now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_this_thread = threading.local()


@contextmanager
def in_task() -> Iterator[None]:
    """Within, this thread runs a task group."""
    _this_thread.is_in_task = True
    try:
        yield
    finally:
        _this_thread.is_in_task = False


def is_in_task() -> bool:
    """Does this thread run a task group?"""
    return getattr(_this_thread, "is_in_task", False)
