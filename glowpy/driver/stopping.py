"""Ctrl-C and SIGTERM during a run: the run ends in order and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

# The default handlers. SIGHUP: the terminal was closed.
_USUAL: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
# The terminal signals a whole group, and a wrapper may forward the signal once more. A second press
# of Ctrl-C takes longer than this.
_SAME_S = 0.1
at_risk: set[str] = set()  # temporary files to be removed if this process ends now
_replaced: set[int] = set()  # signals whose default effect is suspended now
_is_told = False  # a KeyboardInterrupt has been raised for the run to end
_has_fork_hook = False  # `_restore_in_child` is registered


class Stopping:
    """Within this context, the first signal raises a KeyboardInterrupt, by which the run ends.

    A second Ctrl-C while the run ends, or within `hold_s`, ends the process at once: its fork
    server, its janitor and the agents clean up. Other signals have no effect meanwhile. On exit, a
    signal other than Ctrl-C takes its default effect. Signals handled by the user stay the user's;
    off the main thread no handler is installed.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._held_until = 0.0
        self._told_at = 0.0
        self._fatal = 0
        self._mine: list[int] = []

    def __enter__(self) -> Stopping:
        global _is_told
        if threading.current_thread() is threading.main_thread():
            _is_told = False
            self._mine = [each for each in _USUAL if signal.getsignal(each) == _USUAL[each]]
        _register_fork_hook()
        _replaced.update(self._mine)
        for number in self._mine:
            signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _restore(self._mine)
        if self._fatal:
            os.kill(os.getpid(), self._fatal)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            self._fatal = number
        now = time.monotonic()
        if now >= self._held_until:
            global _is_told
            self._told_at, self._held_until = now, now + self._hold_s
            _is_told = True
            raise KeyboardInterrupt
        if number == signal.SIGINT and now - self._told_at >= _SAME_S:
            for path in at_risk:
                with suppress(OSError):
                    os.unlink(path)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def check_stopped() -> None:
    """Raise the KeyboardInterrupt once more: one raised in a finalizer is swallowed."""
    if _is_told and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


def detach() -> None:
    """In a forked child: ignore Ctrl-C, which the parent handles, and restore other signals."""
    _restore(list(_replaced))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _USUAL)


def _register_fork_hook() -> None:
    """Have children that the user's code forks, such as those of a Pool, get the default handlers.

    A handler in Python would come too late: a child that is about to block in a system call, as the
    signal arrives, would not run the handler.
    """
    global _has_fork_hook
    if not _has_fork_hook:
        _has_fork_hook = True
        os.register_at_fork(after_in_child=_restore_in_child)


def _restore_in_child() -> None:
    handlers = {number: signal.getsignal(number) for number in _replaced}
    ours = [n for n, each in handlers.items() if getattr(each, "__func__", None) is Stopping._take]
    _restore(ours)  # a handler that the user's function has set stays


def _restore(numbers: list[int]) -> None:
    for number in numbers:
        signal.signal(number, _USUAL[number])
    _replaced.difference_update(numbers)
