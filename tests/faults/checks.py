"""What every test of a fault has to show besides: the time it took is bounded, nothing is left."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress

from glowpy.testing import LocalCluster

BOUND_S = 60.0


def await_end(pid: int) -> None:
    """Wait for the end of a process that need not be a child."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            assert select.select([descriptor], [], [], BOUND_S)[0], f"process {pid} lives on"
        finally:
            os.close(descriptor)


def assert_clean(cluster: LocalCluster) -> None:
    """Nothing of any run is left at the agents, once those that were lost have closed theirs."""
    for attempt in cluster.attempts():
        await_end(attempt.pid)
    deadline = time.monotonic() + BOUND_S
    left = cluster.left_behind()
    with select.epoll() as nothing:  # directories tell nobody that they go
        while left and time.monotonic() < deadline:
            nothing.poll(0.02)
            left = cluster.left_behind()
    assert not left, f"left behind: {left}"
