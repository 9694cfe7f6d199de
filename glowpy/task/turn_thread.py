"""TurnThread: work on a thread that takes turns with its resumer, as a coroutine does.

    resumer     resume ────────► … ◄──┐ resume ────────► … ◄──┐
    work                 runs  pause ─┘           runs  pause ─┘

Only one of the two runs at any time, so shared data needs no lock. A generator could only pause in
our own code; a thread can pause inside the user's function, which may request the next row.

The work runs in a copy of the creator's context. A new thread starts with an empty context, in
which the decimal precision and other context variables have their defaults.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

from glowpy.task.failure import AttemptAborted


class TurnThread:
    """A thread that runs between `resume` and `pause` only."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._context = copy_context()
        self._error: BaseException | None = None
        self._turn = threading.Lock()  # free while the work may run
        self._turn.acquire()
        self._done = threading.Lock()  # free while the resumer may continue
        self._done.acquire()
        self._thread: threading.Thread | None = None
        self._is_stopped = False
        self.is_ended = False

    def resume(self) -> None:
        """Run the work until it pauses or ends.

        Raises:
            Exception: the exception of the work.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="glowpy-live")
            self._thread.start()
        else:
            self._turn.release()
        self._done.acquire()  # no deadline: the user's function may take any time for a row
        if self.is_ended:
            self._thread.join()
            if self._error is not None:
                raise self._error

    def pause(self) -> None:
        """Return control to the resumer until the next `resume`. Called by the work.

        Raises:
            AttemptAborted: the work was stopped.
        """
        self._done.release()
        self._turn.acquire()
        if self._is_stopped:
            raise AttemptAborted

    def stop(self, patience_s: float) -> None:
        """End the work by an exception from `pause`. Work that outlasts `patience_s` is abandoned.

        If an exception such as KeyboardInterrupt has interrupted a `resume`, the work is resumed
        first. The thread is a daemon.
        """
        self._is_stopped = True
        if self._thread is None or self.is_ended:
            return
        while not self.is_ended:
            if self._turn.locked():
                self._turn.release()
            if not self._done.acquire(timeout=patience_s):
                return
        self._thread.join(patience_s)

    def _run(self) -> None:
        try:
            self._context.run(self._work)
        except BaseException as exc:  # noqa: BLE001
            self._error = exc  # raised by `resume`
        finally:
            self.is_ended = True
            self._done.release()
