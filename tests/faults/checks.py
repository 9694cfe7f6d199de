"""Checks of every fault test: the run ends within a bound, and no files or processes remain."""

from __future__ import annotations

import io
import re
import select
import sys
import threading
import time

from glowpy.testing import LocalCluster
from tests.processes import await_end

BOUND_S = 60.0


class Notes(io.StringIO):
    """Captures the standard error of this process and of drivers; a test can wait for text."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Condition()
        self._before = sys.stderr

    def __enter__(self) -> Notes:
        sys.stderr = self
        return self

    def __exit__(self, *_exception: object) -> None:
        sys.stderr = self._before

    def write(self, text: str) -> int:
        with self._news:
            self._news.notify_all()
            return super().write(text)

    def wait_for(self, pattern: str, times: int = 1) -> None:
        """Wait until the pattern occurs this many times."""

        def is_said() -> bool:
            return len(re.findall(pattern, self.getvalue())) >= times

        with self._news:
            assert self._news.wait_for(is_said, BOUND_S), self.getvalue()


def kill_and_await_loss(cluster: LocalCluster, agent: int) -> None:
    """Kill an agent and wait until a driver has noticed the loss, before readers continue."""
    with Notes() as notes:
        cluster.kill_agent(agent)
        notes.wait_for(rf"agent {re.escape(cluster.address_of(agent))} is lost")


def assert_clean(cluster: LocalCluster) -> None:
    """Assert that no agent keeps files of a run, after lost executors have ended."""
    for attempt in cluster.attempts():
        await_end(attempt.pid)
    deadline = time.monotonic() + BOUND_S
    left = cluster.left_behind()
    with select.epoll() as nothing:  # a removed directory raises no event
        while left and time.monotonic() < deadline:
            nothing.poll(0.02)
            left = cluster.left_behind()
    assert not left, f"left behind: {left}"
