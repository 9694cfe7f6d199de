"""The pipe by which an executor learns that its agent is gone."""

from __future__ import annotations

import os
import signal
import threading

from glowpy.environment import LIFELINE_VARIABLE


def watch_lifeline() -> None:
    """End this process when its agent is gone, whatever the user's code is doing then."""
    text = os.environ.get(LIFELINE_VARIABLE)
    if not text:
        return

    def watch(descriptor: int) -> None:
        os.read(descriptor, 1)  # nothing is ever written: this returns when the agent has died
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)  # with whatever the user's functions have started
        os._exit(1)

    threading.Thread(target=watch, args=(int(text),), daemon=True, name="glowpy-lifeline").start()
