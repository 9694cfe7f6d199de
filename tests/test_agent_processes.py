"""Starts of executor processes when system resources are exhausted."""

from __future__ import annotations

import os
import resource
import sys
import time

import psutil
import pytest

from glowpy.agent.processes import Processes
from glowpy.secret import Secret, TaskSecrets
from glowpy.wire.transport import Poller
from tests.forked import in_fork

BOUND_S = 60.0
SECRETS = TaskSecrets(Secret(b"s" * 16), Secret(b"r" * 16), b"")


class Started:
    """A process starter with the events of its processes."""

    def __init__(self) -> None:
        self.poller = Poller()
        self.said: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.processes = Processes(
            self.poller,
            lambda _executor, _stream, text: self.said.append(text),
            lambda executor, cause: self.ended.append((executor, cause)),
            BOUND_S,
        )

    def start(self, *words: str, **environment: str) -> int:
        command = [sys.executable, "-S", "-c", *words]
        return self.processes.start("e1", SECRETS, command, environment, "/")

    def await_end(self) -> None:
        deadline = time.monotonic() + BOUND_S
        while not self.ended:
            assert time.monotonic() < deadline
            for handle in self.poller.poll(deadline - time.monotonic()):
                handle()


def lowest_free_descriptor() -> int:
    with open(os.devnull, "rb") as file:
        return file.fileno()


def test_a_failed_start_leaves_nothing() -> None:
    def start_with_few_files() -> str:
        started = Started()
        open_files = os.listdir("/proc/self/fd")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        outcomes = []
        for limit in range(lowest_free_descriptor(), most):  # each limit allows one descriptor more
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
            try:
                pid = started.start("print('begun')")
            except OSError:
                outcomes.append("refused")
            else:
                outcomes.append("begun")
                break
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            assert os.listdir("/proc/self/fd") == open_files
            assert psutil.Process().children() == []
        assert pid in [child.pid for child in psutil.Process().children()]
        started.await_end()
        assert (started.said, started.ended) == (["begun\n"], [("e1", "exit status 0")])
        return " ".join(outcomes)

    *refused, last = in_fork(start_with_few_files).split()
    assert set(refused) == {"refused"} and len(refused) > 5
    assert last == "begun"


@pytest.mark.parametrize("name", ["null\0byte", "equals=sign", "half a character \ud800"])
def test_impossible_process_arguments_are_a_value_error(name: str) -> None:
    started = Started()
    with started.processes:
        before = os.listdir("/proc/self/fd")
        with pytest.raises(ValueError):
            started.start("pass", **{name: "x"})
        assert os.listdir("/proc/self/fd") == before
