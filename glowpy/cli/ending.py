"""What ends a server started from the command line: a signal, or a parent that is gone."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# SIGHUP: the terminal was closed.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def until_told(*, stdin_closes: bool = False) -> Iterator[int]:
    """A file descriptor that becomes, and stays, readable when this process should end.

    That is after Ctrl-C, SIGTERM or SIGHUP, and with `stdin_closes` at the end of standard input:
    a parent that holds the other end of that pipe takes its children with it however it dies. A
    signal that was ignored when this process began stays so: nohup, and shells that start a
    command in the background, mean it.
    """
    # An epoll is one descriptor for several reasons, and a thread could not be woken up to end.
    with select.epoll() as reasons:
        told, tell = os.pipe()
        os.set_blocking(tell, False)

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            with suppress(BlockingIOError):  # a full pipe has told already
                os.write(tell, b"!")

        reasons.register(told, select.EPOLLIN)
        if stdin_closes and not _reports_hangup(reasons):
            os.write(tell, b"!")
        heeded = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
        before = {number: signal.signal(number, on_signal) for number in heeded}
        try:
            yield reasons.fileno()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(tell)
            os.close(told)


def _reports_hangup(reasons: select.epoll) -> bool:
    """False: standard input is a file, /dev/null or closed, and has no other end to wait for."""
    if sys.__stdin__ is None:
        return False
    try:
        reasons.register(sys.__stdin__.fileno(), 0)  # hangups are reported unasked
    except OSError:
        return False
    return True
