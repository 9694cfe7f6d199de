"""The pipe that ends an executor when the process that started it has ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from glowpy.environment import EXECUTOR_VARIABLE, LIFELINE_VARIABLE
from glowpy.stacks import LIFELINE_THREAD, name_this_thread


def watch_lifeline() -> None:
    """End this process when the agent that started it has ended."""
    text = os.environ.get(LIFELINE_VARIABLE)
    if text:
        end_with(int(text))


def end_with(descriptor: int, leave: Callable[[], object] = lambda: None) -> None:
    """End this process when the other end of a pipe is closed, even during the user's code.

    Args:
        leave: called before the end, to clean up in place of the vanished process.
    """

    mark = os.environ.get(EXECUTOR_VARIABLE)

    def watch() -> None:
        name_this_thread(LIFELINE_THREAD)
        os.read(descriptor, 1)  # returns at end of file only: nothing is ever written
        leave()
        if mark:
            from glowpy.family import kill_family

            kill_family(EXECUTOR_VARIABLE, mark)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)  # with the processes started by the user's functions
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name=LIFELINE_THREAD).start()
