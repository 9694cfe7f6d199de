"""The fork server forks, watches and kills executors, which end with their driver."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from glowpy.driver.fleets.fork_messages import Exited, Started, Unstarted
from glowpy.driver.fleets.fork_server import ForkServer
from glowpy.secret import Secret
from tests.forked import become_nobody, in_fork
from tests.processes import await_end

BOUND_S = 60.0
SECRET = Secret(b"s" * 16)
Event = Started | Exited | Unstarted


class Gate:
    """A pipe at which executors announce themselves and wait until the test opens it."""

    def __init__(self) -> None:
        self._wait, self._open = os.pipe()
        self._hear, self._say = os.pipe()

    def wait(self, name: str = "", _secret: bytes = b"") -> None:
        """Wait in an executor."""
        os.close(self._open)
        os.write(self._say, f"{name}\n".encode())
        os.read(self._wait, 1)

    def arrived(self) -> str:
        """The name of the next executor that has arrived."""
        text = b""
        while not text.endswith(b"\n"):
            assert select.select([self._hear], [], [], BOUND_S)[0], "no executor at the gate"
            text += os.read(self._hear, 1)
        return text.decode().strip()

    def close(self) -> None:
        for descriptor in (self._wait, self._open, self._hear, self._say):
            os.close(descriptor)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    (path / "segment").write_text("rows")
    return path


def next_events(fork_server: ForkServer, count: int) -> list[Event]:
    """The next `count` or more events."""
    found: list[Event] = []
    while len(found) < count:
        assert select.select([fork_server], [], [], BOUND_S)[0], f"only {found}"
        found += fork_server.events()
    return found


def ends_of(fork_server: ForkServer, *executors: str) -> dict[str, int]:
    """Start executors and return their exit statuses."""
    for executor in executors:
        fork_server.start(executor, SECRET)
    events = next_events(fork_server, 2 * len(executors))
    assert {each.executor for each in events if isinstance(each, Started)} == set(executors)
    return {each.executor: each.code for each in events if isinstance(each, Exited)}


# --- starting and ending -------------------------------------------------------------------------


def test_an_executor_is_a_fork_of_the_driver(directory: Path, gate: Gate) -> None:
    unpicklable = iter([f"made in process {os.getpid()}"])
    fork_server = ForkServer(
        lambda name, _secret: gate.wait(f"{name}: {next(unpicklable)}"), str(directory)
    )
    with fork_server:
        assert fork_server.events() == []
        fork_server.start("e1", SECRET)
        (started,) = next_events(fork_server, 1)
        assert isinstance(started, Started) and started.executor == "e1"
        assert gate.arrived() == f"e1: made in process {os.getpid()}"
        process = psutil.Process(started.pid)
        parent = process.parent()
        assert parent is not None and parent.ppid() == os.getpid()
        assert os.getsid(started.pid) == parent.pid != os.getsid(0)
        assert os.readlink(f"/proc/{started.pid}/fd/0") == os.devnull
        assert fork_server.events() == []
    await_end(started.pid, parent.pid)
    assert not directory.exists()


def test_the_end_of_an_executor_is_reported(
    directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def live(name: str, _secret: Secret) -> None:
        if name == "raises":
            raise KeyError("of the executor")
        if name == "leaves":
            sys.exit(3)
        if name.isdigit():
            os._exit(int(name))
        if name.startswith("SIG"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
            signal.raise_signal(getattr(signal, name))

    with ForkServer(live, str(directory)) as fork_server:
        ends = ends_of(fork_server, "returns", "raises", "leaves", "7", "255", "SIGTERM", "SIGINT")
    signals = {"SIGTERM": -signal.SIGTERM, "SIGINT": -signal.SIGINT}
    assert ends == {"returns": 0, "raises": 1, "leaves": 1, "7": 7, "255": 255, **signals}
    assert "KeyError: 'of the executor'" in capfd.readouterr().err


def test_one_executor_is_killed_and_the_others_live(directory: Path, gate: Gate) -> None:
    with ForkServer(gate.wait, str(directory)) as fork_server:
        for executor in ("e1", "e2"):
            fork_server.start(executor, SECRET)
        assert {gate.arrived(), gate.arrived()} == {"e1", "e2"}
        pids = [each.pid for each in next_events(fork_server, 2) if isinstance(each, Started)]
        fork_server.kill("e1")
        fork_server.kill("unknown")
        assert next_events(fork_server, 1) == [Exited("e1", -signal.SIGKILL)]
        fork_server.kill("e1")  # has ended already
        assert psutil.Process(pids[1]).is_running()
        fork_server.start("e1", SECRET)  # a replacement may have the same name
        assert gate.arrived() == "e1"
    await_end(*pids)


def test_an_executor_that_was_started_ahead_is_started_once(directory: Path, gate: Gate) -> None:
    with ForkServer(gate.wait, str(directory)) as fork_server:
        fork_server.start_ahead(["e1", "e2"])
        assert {gate.arrived(), gate.arrived()} == {"e1", "e2"}
        for executor in ("e1", "e2", "e3"):
            fork_server.start(executor, SECRET)
        assert gate.arrived() == "e3"
        started = [each.executor for each in next_events(fork_server, 3)]
        assert sorted(started) == ["e1", "e2", "e3"]
        fork_server.kill("e1")
        next_events(fork_server, 1)
        fork_server.start("e1", SECRET)  # the start is no longer ahead
        assert gate.arrived() == "e1"


@pytest.mark.slow
def test_more_packets_than_a_socket_holds(directory: Path) -> None:
    names = [f"e{number}" for number in range(400)]
    with ForkServer(lambda name, _secret: None, str(directory)) as fork_server:
        for name in names:
            fork_server.start(name, SECRET)  # the driver reads no event meanwhile
        events = next_events(fork_server, 2 * len(names))
    ended = set()
    for event in events:
        if isinstance(event, Exited):
            assert event.code == 0
            ended.add(event.executor)
        else:
            assert isinstance(event, Started) and event.executor not in ended
    assert ended == set(names)


def test_a_failing_fork_is_reported() -> None:
    def start_one() -> str:
        become_nobody()
        with ForkServer(lambda name, _secret: None, "/nonexistent") as fork_server:
            resource.prlimit(fork_server.pid, resource.RLIMIT_NPROC, (0, 0))
            fork_server.start("e1", SECRET)
            (event,) = next_events(fork_server, 1)
        return repr(event)

    expected = Unstarted("e1", "Resource temporarily unavailable")
    assert in_fork(start_one) == repr(expected)


# --- the state of the driver at the start --------------------------------------------------------


def test_output_that_waits_in_the_drivers_buffers_is_written_once(tmp_path: Path) -> None:
    script = """
import sys
from glowpy.driver.fleets.fork_server import ForkServer
from glowpy.secret import Secret
print("before")
def live(name, secret):
    print(f"in {name}")
with ForkServer(live, sys.argv[1]) as fork_server:
    for name in ("e1", "e2"):
        fork_server.start(name, Secret.make())
    ends = 0
    import select
    while ends < 2:
        select.select([fork_server], [], [])
        ends += sum("Exited" in repr(event) for event in fork_server.events())
print("after")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")],
        env={name: each for name, each in os.environ.items() if name != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(ended.stdout.splitlines()) == ["after", "before", "in e1", "in e2"]


def test_signal_handlers_and_streams_of_the_user_do_no_harm(directory: Path) -> None:
    def one_executor() -> str:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        sys.stdout = sys.stderr = None
        with ForkServer(lambda name, _secret: None, str(directory)) as fork_server:
            ends = ends_of(fork_server, "e1")
        return str(ends)

    assert in_fork(one_executor) == "{'e1': 0}"


def test_an_executor_ignores_the_terminals_interrupt(directory: Path) -> None:
    def live(name: str, _secret: Secret) -> None:
        signal.raise_signal(signal.SIGINT)

    with ForkServer(live, str(directory)) as fork_server:
        assert ends_of(fork_server, "e1") == {"e1": 0}


# --- deaths --------------------------------------------------------------------------------------


def test_a_fork_server_that_has_died_is_an_error(directory: Path, gate: Gate) -> None:
    fork_server = ForkServer(gate.wait, str(directory))
    with fork_server:
        fork_server.start("e1", SECRET)
        gate.arrived()
        (started,) = next_events(fork_server, 1)
        assert isinstance(started, Started)
        os.kill(fork_server.pid, signal.SIGKILL)
        await_end(fork_server.pid)
        fork_server.start("e2", SECRET)
        fork_server.kill("e1")
        with pytest.raises(ConnectionError):
            fork_server.events()
    await_end(started.pid)


def test_leaving_one_fork_server_does_not_wait_for_another(tmp_path: Path) -> None:
    # Two runs on two threads: the second server is forked while the first one's socket is open.
    def overlap() -> str:
        gate = Gate()
        directories = [tmp_path / "first", tmp_path / "second"]
        first, second = (ForkServer(gate.wait, str(each)) for each in directories)
        with first:
            first.start("e1", SECRET)
            gate.arrived()
            second.__enter__()
            second.start("e2", SECRET)
            gate.arrived()
        (started,) = next_events(second, 1)
        assert isinstance(started, Started) and psutil.Process(started.pid).is_running()
        second.__exit__(None, None, None)
        return "left both"

    assert in_fork(overlap) == "left both"


def test_processes_of_a_killed_driver_end(directory: Path) -> None:
    script = """
import os, select, signal, sys
from glowpy.driver.fleets.fork_server import ForkServer
from glowpy.secret import Secret
def live(name, secret):
    signal.pause()
with ForkServer(live, sys.argv[1]) as fork_server:
    pids = []
    for name in ("e1", "e2", "e3"):
        fork_server.start(name, Secret.make())
    while len(pids) < 3:
        select.select([fork_server], [], [])
        pids += [event.pid for event in fork_server.events()]
    print(fork_server.pid, *pids, flush=True)
    signal.pause()
"""
    driver = subprocess.Popen(
        [sys.executable, "-c", script, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    with driver.stdout:
        pids = [int(word) for word in driver.stdout.readline().split()]
        assert len(pids) == 4 and directory.exists()
        driver.send_signal(signal.SIGKILL)
        assert driver.wait(BOUND_S) == -signal.SIGKILL
        await_end(*pids)
    assert not directory.exists()
