"""A user's script as a real process, in each mode, and a check for remaining processes and files.

`started` yields a running process, `run` returns a process that has ended, `server` yields one of
glowpy's servers. Each process has its own temporary directory, inherited by all child processes:
the directory identifies the whole family, and at the end no process and no file may remain.
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

# Each script is a process or several: `make check` starts most scripts in one mode only, and one
# script in all modes (`test_script_modes.test_the_same_result`).
_SLOW_MODES = [pytest.param(mode, marks=pytest.mark.slow) for mode in MODES if mode != "plain"]
_OWN = pytest.param("own cluster", marks=pytest.mark.slow)
IN_EVERY_MODE = pytest.mark.parametrize("mode", ["plain", *_SLOW_MODES])
ON_EVERY_CLUSTER = pytest.mark.parametrize("mode", [_OWN, "cluster"])
# A cluster of the driver's own is a cluster and a start: one test of a file tries it as well.
IN_MOST_MODES = pytest.mark.parametrize("mode", ["plain", _SLOW_MODES[0], _SLOW_MODES[-1]])
ON_THE_CLUSTER = pytest.mark.parametrize("mode", ["cluster"])


def flags_of(mode: str, leader: str) -> list[str]:
    """Flags for a run in this mode; `leader` is the address of an existing cluster."""
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
    """The exit status and the output of a process that has ended."""

    status: int
    stdout: str
    stderr: str

    def lines(self) -> list[str]:
        """Lines of standard output, sorted: tasks print in any order."""
        return sorted(self.stdout.splitlines())


class ProcessLines(OutputLines):
    """The lines that a process writes to one stream."""

    def await_match(self, pattern: str, number: int = 1) -> re.Match[str]:
        """Wait for the `number`-th match of the pattern in the text."""
        match = self.wait_for(pattern, BOUND_S, number)
        assert match is not None, f"{pattern!r} was not said {number} times:\n{self.text}"
        return match

    def finish(self, timeout_s: float = BOUND_S) -> None:
        """Wait for the end of the stream, which every process that has inherited it keeps open."""
        super().finish(timeout_s)
        assert self.is_finished, f"an output is kept open by a process:\n{self.text}"


class Running:
    """A started process, with its output."""

    def __init__(self, process: subprocess.Popen[str], temporary: str) -> None:
        self._temporary = temporary
        assert process.stdout is not None and process.stderr is not None
        self.process = process
        self.stdout = ProcessLines(process.stdout)
        self.stderr = ProcessLines(process.stderr)

    def finish(self) -> Ended:
        """Wait for the end of the process."""
        try:
            status = self.process.wait(BOUND_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it has not ended within {BOUND_S:g} s; {self.so_far()}")
        self.stdout.finish()
        self.stderr.finish()
        return Ended(status, self.stdout.text, self.stderr.text)

    def left_behind(self) -> list[str]:
        """Remaining processes and files of this process, and executors of all clusters."""
        return [*self.own_left_behind(), *(str(each) for each in executors())]

    def own_left_behind(self) -> list[str]:
        """Remaining processes and files of this process."""
        processes = family_of(self._temporary)
        # os.walk() skips folders that another process deletes meanwhile
        walk = os.walk(self._temporary)
        files = sorted(
            os.path.join(place, name) for place, folders, names in walk for name in folders + names
        )
        return [*(f"{each.pid} {each.info['cmdline']}" for each in processes), *files]

    def await_nothing_left(self) -> None:
        """Wait until other processes have removed their executors and the files of this process."""
        deadline = time.monotonic() + BOUND_S
        # ends of foreign processes and removals of files raise no event
        with select.epoll() as nothing:
            while left := self.left_behind():
                assert time.monotonic() < deadline, f"left behind: {left}; {self.so_far()}"
                nothing.poll(0.05)

    def so_far(self) -> str:
        return f"it said:\n{self.stdout.text}\nand on stderr:\n{self.stderr.text}"


@contextmanager
def unused_address() -> Iterator[str]:
    """An address that is reserved as long as the block runs, without any listener."""
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
    """`python WORDS…` in a directory; the block has to end the process by `finish()`."""
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
            left = running.own_left_behind()
            assert not left, f"left behind: {left}; {running.so_far()}"
            # An agent ends its executors itself, also those of other tests and drivers
            running.await_nothing_left()
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
    """`python WORDS…` in a directory, up to the end, with the expected exit status."""
    with started(
        directory, *words, stdin=stdin, environment=environment, program=program
    ) as running:
        ended = running.finish()
        assert ended.status == status, f"ended with {ended.status}; {running.so_far()}"
    return ended


def await_idle(leader: str, key_file: str = "") -> None:
    """Wait until no executor of the master is in use and all earlier runs have ended.

    A run that starts sooner may get fewer executors and run at other agents.
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
    """A listening server of glowpy."""

    address: str
    log: ProcessLines
    process: subprocess.Popen[str]


@contextmanager
def server(directory: Path, role: str, *options: str) -> Iterator[Served]:
    """`glowpy ROLE` while the block runs; SIGTERM ends the server with exit status 0."""
    with started(directory, "-m", "glowpy", role, *options) as running:
        announced = running.stdout.await_match(rf"(?m)^glowpy {role} listening on (\S+)$")
        yield Served(announced[1], running.stderr, running.process)
        running.process.send_signal(signal.SIGTERM)
        ended = running.finish()
        assert ended.status == 0, f"ended with {ended.status}; {running.so_far()}"
