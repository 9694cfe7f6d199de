"""What other threads may do to a run: wake its loop, or cancel it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from glowpy.errors import RunCancelled


class Control:
    """One for each run. Nothing of the run is touched but by its own thread.

    Attributes:
        begun: set once the run goes on by itself, or cannot.
        has_begun: it does, or did.
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
        """A thread of the program waits for the end of the run."""
        return self._waiter_count > 0

    def open(self) -> int:
        """The loop begins; the descriptor becomes readable whenever there is something to see."""
        with self._lock:
            self._descriptor = os.eventfd(1, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        return self._descriptor

    def begin(self) -> None:
        """The run goes on by itself."""
        self.has_begun = True
        self.begun.set()

    def close(self) -> None:
        """The loop has ended."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def ring(self) -> None:
        """Wake the loop. Any thread may call this, at any time."""
        with self._lock:
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def silence(self) -> None:
        """The loop looks at everything now."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def cancel(self, reason: str) -> None:
        """End the run at once. Any thread may call this, at any time."""
        self._reason = self._reason or reason
        self.ring()

    def ask_states(self, patience_s: float) -> None:
        """Have the run's thread say what is running, and wait until it has, but not for long."""
        self._has_told.clear()
        self._wants_states = True
        self.ring()
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
