"""A user's script as a real process, in each mode, and a check that nothing of it is left.

`started` gives a running process, `run` one that has ended, `server` one of glowpy's servers. Each
process has a temporary directory of its own, which whatever it starts inherits: by that the whole
family is known, and at the end neither a process of it nor a file in that directory may be left.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from glowpy.servers.output_lines import OutputLines

BOUND_S = 60.0
MASTER_PORT = 8930
MODES = ["plain", "inline", "own cluster", "cluster"]
ON_A_CLUSTER = ["own cluster", "cluster"]

# Each script is a process or several: `make check` starts most of them in one mode only, and one
# of them in all (`test_script_modes.test_the_same_result`).
_SLOW_MODES = [pytest.param(mode, marks=pytest.mark.slow) for mode in MODES if mode != "plain"]
_OWN = pytest.param("own cluster", marks=pytest.mark.slow)
IN_EVERY_MODE = pytest.mark.parametrize("mode", ["plain", *_SLOW_MODES])
ON_EVERY_CLUSTER = pytest.mark.parametrize("mode", [_OWN, "cluster"])


def flags_of(mode: str, leader: str) -> list[str]:
    """What makes a script run in this mode; `leader` is that of a cluster which is there."""
    if mode == "plain":
        return []
    if mode == "inline":
        return ["-glow.inline"]
    if mode == "cluster":
        return ["-glow", f"-glow.leader={leader}"]
    with socket.socket() as probe:
        if probe.connect_ex(("localhost", MASTER_PORT)) == 0:
            pytest.fail(
                f"something listens on localhost:{MASTER_PORT}: a driver would take it for a master"
            )
    return ["-glow"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended, and all that it has said."""

    status: int
    stdout: str
    stderr: str

    def lines(self) -> list[str]:
        """Of standard output, sorted: tasks print in any order."""
        return sorted(self.stdout.splitlines())


class Heard(OutputLines):
    """The lines that a process writes to one stream."""

    def await_match(self, pattern: str, number: int = 1) -> re.Match[str]:
        """The `number`-th place of the text that matches, as soon as it is there."""
        match = self.wait_for(pattern, BOUND_S, number)
        assert match is not None, f"{pattern!r} was not said {number} times:\n{self.text}"
        return match

    def finish(self, timeout_s: float = BOUND_S) -> None:
        """Wait for the end of the stream; whoever has it open keeps it from ending."""
        super().finish(timeout_s)
        assert self.is_finished, f"an output is kept open by a process:\n{self.text}"


class Running:
    """A process that has been started."""

    def __init__(self, process: subprocess.Popen[str], temporary: str) -> None:
        self._temporary = temporary
        assert process.stdout is not None and process.stderr is not None
        self.process = process
        self.stdout = Heard(process.stdout)
        self.stderr = Heard(process.stderr)

    def finish(self) -> Ended:
        """Wait for its end."""
        try:
            status = self.process.wait(BOUND_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it has not ended within {BOUND_S:g} s; {self.so_far()}")
        self.stdout.finish()
        self.stderr.finish()
        return Ended(status, self.stdout.text, self.stderr.text)

    def left_behind(self) -> list[str]:
        """Processes and files that there are of it and of all clusters' runs."""
        processes = [*family_of(self._temporary), *executors()]
        files = sorted(str(path) for path in Path(self._temporary).rglob("*"))
        return [*(f"{each.pid} {each.info['cmdline']}" for each in processes), *files]

    def await_nothing_left(self) -> None:
        """Wait until others have removed what it could not."""
        deadline = time.monotonic() + BOUND_S
        with select.epoll() as nothing:  # neither processes nor files tell everybody that they go
            while left := self.left_behind():
                assert time.monotonic() < deadline, f"left behind: {left}; {self.so_far()}"
                nothing.poll(0.05)

    def so_far(self) -> str:
        return f"it said:\n{self.stdout.text}\nand on stderr:\n{self.stderr.text}"


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens, and nobody else can as long as the block runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def started(
    directory: Path,
    *words: str | Path,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    program: str | Path = sys.executable,
) -> Iterator[Running]:
    """`python WORDS…` in a directory. Within the block it has to end, by `finish()`."""
    with (
        tempfile.TemporaryDirectory(prefix="gw-") as temporary,
        tempfile.TemporaryFile("w+", encoding="utf-8") as written,
    ):
        written.write(stdin)
        written.seek(0)
        process = subprocess.Popen(
            [program, *words],
            cwd=directory,
            env={
                **os.environ,
                "PYTHONWARNINGS": "error",
                **(environment or {}),
                "TMPDIR": temporary,
            },
            stdin=written,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        running = Running(process, temporary)
        try:
            yield running
            left = running.left_behind()
            assert not left, f"left behind: {left}; {running.so_far()}"
        finally:
            for each in family_of(temporary):
                each.kill()
            running.process.wait(BOUND_S)
            running.stdout.finish()
            running.stderr.finish()


def family_of(temporary: str) -> list[psutil.Process]:
    """Every process that has inherited this temporary directory."""
    return [
        process
        for process in psutil.process_iter(["environ", "cmdline"])
        if (process.info["environ"] or {}).get("TMPDIR") == temporary
    ]


def await_end(*pids: int) -> None:
    """Wait for the ends of processes that need not be children."""
    for pid in pids:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                assert select.select([descriptor], [], [], BOUND_S)[0], f"process {pid} lives on"
            finally:
                os.close(descriptor)


def executors() -> list[psutil.Process]:
    """Executors of all clusters that this test session has started."""
    below = {process.pid for process in psutil.Process().children(recursive=True)}
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid in below
        and any("-glow.agent.address=" in word for word in process.info["cmdline"] or ())
    ]


def run(
    directory: Path,
    *words: str | Path,
    status: int = 0,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    program: str | Path = sys.executable,
) -> Ended:
    """`python WORDS…` in a directory, to its end, which has to be the expected one."""
    with started(
        directory, *words, stdin=stdin, environment=environment, program=program
    ) as running:
        ended = running.finish()
        assert ended.status == status, f"ended with {ended.status}; {running.so_far()}"
    return ended


def await_idle(leader: str, key_file: str = "") -> None:
    """Wait until the master knows that no executor is in use: a run before is over for all.

    A run that begins sooner may get fewer executors, and so other places.
    """
    command = [sys.executable, "-m", "glowpy", "status", "--master", leader]
    with subprocess.Popen(
        [*command, "--key-file", key_file, "--json", "--watch", "--pause", "0.1"],
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        deadline = time.monotonic() + BOUND_S
        while (told := json.loads(watching.stdout.readline()))["executors_busy"] or told["runs"]:
            assert time.monotonic() < deadline, f"still in use: {told}"
        watching.terminate()


@dataclass(frozen=True, slots=True)
class Served:
    """A server of ours that listens."""

    address: str
    log: Heard
    process: subprocess.Popen[str]


@contextmanager
def server(directory: Path, role: str, *options: str) -> Iterator[Served]:
    """`glowpy ROLE` while the block runs; it has to end well when told to."""
    with started(directory, "-m", "glowpy", role, *options) as running:
        announced = running.stdout.await_match(rf"(?m)^glowpy {role} listening on (\S+)$")
        yield Served(announced[1], running.stderr, running.process)
        running.process.send_signal(signal.SIGTERM)
        ended = running.finish()
        assert ended.status == 0, f"ended with {ended.status}; {running.so_far()}"
