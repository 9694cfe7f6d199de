"""A run on a background thread: the result of `flow.start()`.

The thread, and so every executor forked from it, has a copy of the context of the thread that
called `start()`.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from glowpy.driver.control import Control
from glowpy.errors import GlowError, WaitTimeout, interrupted
from glowpy.flow.location import user_location
from glowpy.stdio import flush, notify_user
from glowpy.tracebacks import shows_all

_STATES_S = 1.0  # a user who has pressed Ctrl-C waits no longer to read what is running
_CANCEL_S = 120.0  # longer than every deadline within a run that stops
_unseen: set[StartedRun] = set()  # runs whose end has not been observed by `wait`


class StartedRun:
    """Implements `flow.entry.RunHandle`.

    Args:
        execute: executes the whole run, under the given control.
    """

    def __init__(self, execute: Callable[[Control], Any], *, is_quiet: bool) -> None:
        self._execute = execute
        self._is_quiet = is_quiet
        self._control = Control(is_awaited=False)
        self._error: BaseException | None = None
        # A daemon: the interpreter would join another thread before it calls the atexit handler
        # that ends the run.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), daemon=True, name="glowpy-run"
        )

    def __repr__(self) -> str:
        state = "running" if self.is_running else "failed" if self._error else "ended"
        return f"<run {state}>"

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def begin(self) -> None:
        """Start the thread and return once the run's loop has begun.

        Raises:
            GlowError: the run could not begin.
        """
        _unseen.add(self)
        self._thread.start()
        try:
            self._control.begun.wait()  # bounded by the deadlines of the run itself
        except KeyboardInterrupt:
            self.cancel()
            raise
        # Registered again for each run: atexit calls the last first, so before handlers the run
        # needs.
        atexit.unregister(_end_all)
        atexit.register(_end_all)
        if self._error is not None and not self._control.has_begun:
            self.wait()

    def wait(self, timeout_s: float | None = None) -> None:
        try:
            with self._control.awaited():
                self._thread.join(timeout_s)
        except KeyboardInterrupt:
            if shows_all():
                raise
            with suppress(KeyboardInterrupt):  # pressed again
                self._control.ask_states(_STATES_S)
            raise interrupted(f"wait() at {user_location()}") from None
        if self._thread.is_alive():
            raise WaitTimeout(f"the run has not ended within {timeout_s:g} s; it goes on")
        _unseen.discard(self)
        if isinstance(self._error, GlowError):
            raise self._error.with_traceback(None)
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        self._control.cancel("the run was cancelled")
        self._thread.join(_CANCEL_S)
        if self._thread.is_alive():
            raise WaitTimeout(f"the run was cancelled, and has not stopped within {_CANCEL_S:g} s")
        _unseen.discard(self)

    def end(self) -> bool:
        """End the run at program exit. False: the run had failed, unobserved by any `wait`."""
        if self.is_running:
            self._note(
                "a flow that was started was still running when the program ended, and was "
                "cancelled; its wait() waits for its end"
            )
            self.cancel()
        elif isinstance(self._error, GlowError):
            self._note(f"a flow that was started has failed: {self._error}", is_error=True)
            return False
        return True

    def _note(self, text: str, *, is_error: bool = False) -> None:
        # the traceback of an exception that ended the program says more
        if getattr(sys, "last_value", None) is None and (is_error or not self._is_quiet):
            notify_user(f"glowpy: {text}")

    def _run(self) -> None:
        try:
            self._execute(self._control)
        except BaseException as exc:  # noqa: BLE001
            self._error = exc  # raised by wait()
        finally:
            self._control.begun.set()


def _end_all() -> None:
    """Cancel all running runs at program exit, in order, so that they leave nothing behind."""
    ends = [run.end() for run in list(_unseen)]
    if not all(ends) and getattr(sys, "last_value", None) is None:
        flush()
        os._exit(1)
