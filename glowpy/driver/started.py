"""A run that goes on by itself, on a thread of its own: what `flow.start()` gives."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Any

from glowpy.driver.control import Control
from glowpy.errors import GlowError, RunRunning

_running: weakref.WeakSet[StartedRun] = weakref.WeakSet()


class StartedRun:
    """Implements `flow.entry.Started`.

    Args:
        execute: the whole run, under the control that it is given.
    """

    def __init__(self, execute: Callable[[Control], Any]) -> None:
        self._execute = execute
        self._control = Control()
        self._error: BaseException | None = None
        # A daemon: the interpreter would wait for it before it calls what is registered with
        # atexit, which ends it.
        self._thread = threading.Thread(target=self._run, daemon=True, name="glowpy-run")

    def __repr__(self) -> str:
        state = "running" if self.is_running else "failed" if self._error else "ended"
        return f"<run {state}>"

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def begin(self) -> None:
        """Start it; returns when it goes on by itself.

        Raises:
            GlowError: it could not begin.
        """
        if not _running:
            atexit.unregister(_cancel_all)
            atexit.register(_cancel_all)
        _running.add(self)
        self._thread.start()
        try:
            self._control.begun.wait()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self._error is not None and not self._control.has_begun:
            self.wait()

    def wait(self, timeout_s: float | None = None) -> None:
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise RunRunning(f"the run has not ended within {timeout_s:g} s; it goes on")
        if isinstance(self._error, GlowError):
            raise self._error.with_traceback(None)
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        self._control.cancel("the run was cancelled")
        self._thread.join()

    def _run(self) -> None:
        try:
            self._execute(self._control)
        except BaseException as exc:  # noqa: BLE001
            self._error = exc  # raised by wait()
        finally:
            self._control.begun.set()


def _cancel_all() -> None:
    """The program ends: so do its runs, in order, and leave nothing behind."""
    for run in list(_running):
        run._control.cancel("the program has ended")
    for run in list(_running):
        run._thread.join()
