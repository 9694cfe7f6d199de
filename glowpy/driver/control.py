"""Control of a run by other threads: wakes its loop, or cancels."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from glowpy.errors import RunCancelled


class Control:
    """The control of one run; the run's own thread alone touches everything else of the run.

    Attributes:
        begun: an event, set once the run's loop has begun, or failed to begin.
        has_begun: True once the loop has begun.
    """

    has_begun = False

    def __init__(self, *, is_awaited: bool = True) -> None:
        self._waiter_count = int(is_awaited)
        self._reason = ""
        self._wants_states = False
        self._descriptor = -1  # of an eventfd, while the loop runs
        self._lock = threading.Lock()
        self.begun = threading.Event()
        self._has_told = threading.Event()

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Within, a thread of the program waits for the end of the run."""
        with self._lock:
            self._waiter_count += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiter_count -= 1

    @property
    def is_awaited(self) -> bool:
        """True while a thread of the program waits for the end of the run."""
        return self._waiter_count > 0

    def open(self) -> int:
        """Open the wake-up descriptor, readable whenever the loop has something to do."""
        with self._lock:
            self._descriptor = os.eventfd(1, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        return self._descriptor

    def begin(self) -> None:
        """Record that the run's loop has begun."""
        self.has_begun = True
        self.begun.set()

    def close(self) -> None:
        """Close the wake-up descriptor."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def wake(self) -> None:
        """Wake the loop, from any thread, at any time."""
        with self._lock:
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        """Reset the wake-up descriptor before the loop looks at everything."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def cancel(self, reason: str) -> None:
        """End the run at once, from any thread, at any time."""
        self._reason = self._reason or reason
        self.wake()

    def ask_states(self, patience_s: float) -> None:
        """Have the run's thread say what is running, and wait until it has, but not for long."""
        self._has_told.clear()
        self._wants_states = True
        self.wake()
        self._has_told.wait(patience_s)

    def answer(self, tell_states: Callable[[], None]) -> None:
        """Say what is running if a thread has asked for it. Called by the run's thread."""
        if self._wants_states:
            self._wants_states = False
            tell_states()
            self._has_told.set()

    def check(self) -> None:
        """Raises: RunCancelled: `cancel` was called."""
        if self._reason:
            raise RunCancelled(self._reason)
