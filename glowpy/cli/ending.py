"""The end of a server that was started from the command line: a signal, or its parent exits."""

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
    """Yield a file descriptor that becomes, and stays, readable when this process should end.

    The reasons are Ctrl-C, SIGTERM and SIGHUP, and with `stdin_closes` the end of standard input:
    children whose standard input is a pipe from their parent end with the parent, even if the
    parent is killed. A signal that was ignored when this process began stays ignored, as nohup and
    background jobs of a shell require.
    """
    # An epoll joins several reasons in one descriptor. A thread that waits could not be ended.
    with select.epoll() as reasons:
        told, tell = os.pipe()
        os.set_blocking(tell, False)

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            with suppress(BlockingIOError):  # the pipe is full, so readable
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
    """Register standard input; False for a file, /dev/null or closed input, without a hangup."""
    if sys.__stdin__ is None:
        return False
    try:
        reasons.register(sys.__stdin__.fileno(), 0)  # epoll always reports hangups
    except OSError:
        return False
    return True
