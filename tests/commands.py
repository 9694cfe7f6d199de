"""The glowpy command as a process, which ends or serves, and its output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from glowpy.servers.output_lines import OutputLines
from glowpy.timing import Timing
from glowpy.wire.address import parse_address
from glowpy.wire.messages import AskExecutors, Grants
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Transport
from tests.keys import own_policy

PATIENCE_S = 60.0
FREE = "127.0.0.1:0"


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "glowpy", *args]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def refusal(*args: str, status: int = 1) -> str:
    """The one line on stderr of a command that must fail."""
    done = run(*args)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("glowpy: ")
    return line


class Running:
    """A server process that must end with status 0."""

    def __init__(self, args: tuple[str, ...], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command(*args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self.pid = self.process.pid
        assert self.process.stdout is not None
        self._output = OutputLines(self.process.stdout)
        self._line_count = 0  # read by the test

    def line(self) -> str:
        """The next line of standard output."""
        self._line_count += 1
        line = self._output.wait_for(r"^.*\n", PATIENCE_S, self._line_count)
        assert line is not None, f"no more than this was printed:\n{self._output.text}"
        return line[0].rstrip("\n")

    def address(self) -> str:
        return self.line().rpartition(" listening on ")[2]

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def status(self) -> int:
        return self.process.wait(PATIENCE_S)

    def cleanup(self) -> None:
        self.close_stdin()
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()
        self._output.finish(PATIENCE_S)


@contextmanager
def started(*args: str, **environment: str) -> Iterator[Running]:
    running = Running(args, environment)
    try:
        yield running
    finally:
        running.cleanup()


def agents_known(address: str, policy: Policy | None = None) -> int:
    """The number of agents, as reported by the master at this address."""
    timing = Timing()
    with Transport(policy or own_policy(), timing) as transport:
        link = transport.connect(parse_address(address))
        poller = Poller()
        poller.register(link, link)
        link.send(AskExecutors("test", 0, 0, 0, "", "", 0.0))
        deadline = time.monotonic() + PATIENCE_S
        while (received := link.receive()) is None:
            assert time.monotonic() < deadline, "the master does not answer"
            poller.poll(1.0)
            link.events()
        assert isinstance(received[0], Grants)
        return received[0].agents_known


def await_agents(address: str, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (known := agents_known(address)) != wanted:
        assert time.monotonic() < deadline, f"{known} agents, not {wanted}"


@contextmanager
def ignoring(*numbers: signal.Signals) -> Iterator[None]:
    """Start processes with these signals ignored."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
