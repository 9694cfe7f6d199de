"""Ctrl-C and SIGTERM, to drivers in every mode and to servers: no process or file remains."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.failing_scripts import ended_badly, run_folders
from tests.processes import BOUND_S, MODES, Running, flags_of, started, unused_address

pytestmark = pytest.mark.slow  # each test starts servers, or a driver in every mode

IN_EVERY_MODE = pytest.mark.parametrize("mode", MODES)
NOT_INLINE = pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "inline"])

AT_WORK = """
import time
from glowpy import Flow

def work(row):
    print("at work", flush=True)
    time.sleep(600)

print("begun", flush=True)
Flow().slice(range(2), 2).map(work).run()
"""
WITH_CHILDREN = """
import subprocess, sys
from glowpy import Flow

def work(row):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    print("child", child.pid, flush=True)
    child.wait()

Flow().slice([0]).map(work).run()
"""


@contextmanager
def driver(directory: Path, mode: str, leader: str, text: str = AT_WORK) -> Iterator[Running]:
    """A script that runs for minutes."""
    (directory / "script.py").write_text(text, encoding="utf-8")
    with started(directory, "script.py", *flags_of(mode, leader), "-glow.quiet") as running:
        yield running


def press_ctrl_c(running: Running) -> None:
    """Send SIGINT to the whole process group, as a terminal does."""
    os.killpg(running.process.pid, signal.SIGINT)


def assert_interrupted(running: Running) -> str:
    """Assert that the driver ends by KeyboardInterrupt with one line; return standard error."""
    ended = ended_badly(running)
    assert ended.status == -signal.SIGINT, running.so_far()
    *notes, end = ended.stderr.splitlines()
    assert re.fullmatch(r"KeyboardInterrupt: run\(\) at script.py:\d+", end), ended.stderr
    assert all(note.startswith("glowpy: ") for note in notes), ended.stderr
    return ended.stderr


# --- drivers ------------------------------------------------------------------------------------


@NOT_INLINE
def test_ctrl_c(mode: str, cluster: str, tmp_path: Path) -> None:
    """The line of the run stands for the traceback, which `-glow.debug` shows."""
    with driver(tmp_path, mode, cluster) as running:
        running.stdout.await_match("at work")
        press_ctrl_c(running)
        assert assert_interrupted(running).endswith("script.py:10\n")


def test_ctrl_c_inline_shows_where_in_the_function(tmp_path: Path) -> None:
    with driver(tmp_path, "inline", "") as running:
        running.stdout.await_match("at work")
        press_ctrl_c(running)
        ended = ended_badly(running)
    assert ended.status == -signal.SIGINT
    files = re.findall(r'File "(.+)", line \d+, in (.+)', ended.stderr)
    script = str(tmp_path / "script.py")
    assert files == [(script, "<module>"), (script, "work")], ended.stderr


def test_ctrl_c_of_a_wait_for_a_run_that_was_started(tmp_path: Path) -> None:
    text = AT_WORK.replace("Flow().slice", "flow = Flow()\nflow.slice").replace(
        ".run()", "\nflow.start().wait()"
    )
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    with started(tmp_path, "script.py") as running:
        running.stdout.await_match("at work", 2)
        press_ctrl_c(running)
        ended = ended_badly(running)
    assert ended.status == -signal.SIGINT
    whole, first, second, end = ended.stderr.splitlines()
    assert re.fullmatch("glowpy: .*: 0 of 2 tasks done, 2 running on 2 executors", whole)
    assert all("running for" in line for line in (first, second))
    assert end == "KeyboardInterrupt: wait() at script.py:12"


def test_the_debug_flag_shows_frames_of_glowpy(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(AT_WORK, encoding="utf-8")
    with started(tmp_path, "script.py", "-glow.debug", "-glow.quiet") as running:
        running.stdout.await_match("at work", 2)
        press_ctrl_c(running)
        assert "/glowpy/driver/" in ended_badly(running).stderr


@pytest.mark.parametrize("moment", ["begun", "at work"])
@IN_EVERY_MODE
def test_repeated_ctrl_c_ends_the_run(moment: str, mode: str, cluster: str, tmp_path: Path) -> None:
    """At any time during the start or the end of the run."""
    with driver(tmp_path, mode, cluster) as running:
        running.stdout.await_match(moment)
        for _ in range(round(BOUND_S / 0.02)):
            press_ctrl_c(running)
            with suppress(subprocess.TimeoutExpired):  # still busy: again
                running.process.wait(0.02)
                break
        assert running.finish().status != 0
        running.await_nothing_left()
    await_empty(run_folders())


ENDING_FOR_EVER = """
import threading
from glowpy.driver.run import Run

execute = Run._execute

def execute_and_wait(run):
    try:
        return execute(run)
    finally:
        print("ending for ever", flush=True)
        threading.Event().wait()

Run._execute = execute_and_wait
"""


@NOT_INLINE
def test_a_second_ctrl_c_ends_it_at_once(mode: str, cluster: str, tmp_path: Path) -> None:
    """The end after the first Ctrl-C would last for ever; other processes delete the files."""
    text = ENDING_FOR_EVER + AT_WORK
    with driver(tmp_path, mode, cluster, text) as running:
        running.stdout.await_match("at work")
        press_ctrl_c(running)
        running.stdout.await_match("ending for ever")
        for _ in range(round(BOUND_S / 0.02)):
            press_ctrl_c(running)
            # a signal soon after the first counts as the same
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(0.02)
                break
        assert running.finish().status == -signal.SIGINT, running.so_far()
        running.await_nothing_left()
    await_empty(run_folders())


def await_empty(folders: list[Path]) -> None:
    """Wait for the agents, which notice a closed connection at the next send, to delete files."""
    deadline = time.monotonic() + BOUND_S
    with select.epoll() as nothing:
        while left := [path for folder in folders for path in folder.glob("*")]:
            assert time.monotonic() < deadline, left
            nothing.poll(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@IN_EVERY_MODE
def test_other_signals(number: signal.Signals, mode: str, cluster: str, tmp_path: Path) -> None:
    """The driver dies by the signal, after cleaning up."""
    with driver(tmp_path, mode, cluster) as running:
        running.stdout.await_match("at work")
        running.process.send_signal(number)
        ended = ended_badly(running)
    assert ended.status == -number
    assert ended.stderr == ""


def test_signals_that_the_user_handles_stay_the_users(tmp_path: Path) -> None:
    script = """
import signal
from glowpy import Flow

def told(number, frame):
    print("told", number)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, told)

def tell(row):
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)

Flow().slice([0]).map(tell).run()
signal.raise_signal(signal.SIGTERM)
"""
    with driver(tmp_path, "inline", "", script) as running:
        ended = running.finish()
    assert ended.status == 0, ended.stderr
    assert ended.stdout == "told 2\ntold 15\ntold 15\n"


def test_signals_have_their_usual_effect_between_runs(tmp_path: Path) -> None:
    script = """
import signal
from glowpy import Flow
before = [signal.getsignal(number) for number in (2, 15, 1)]
Flow().slice([0]).run()
assert [signal.getsignal(number) for number in (2, 15, 1)] == before
"""
    with driver(tmp_path, "plain", "", script) as running:
        assert running.finish().status == 0, running.so_far()


def test_a_process_that_a_function_forks_has_the_usual_handlers(tmp_path: Path) -> None:
    """A handler in Python would not run in a child that blocks in a system call."""
    script = """
import os, signal
from glowpy import Flow

def own(number, frame): ...

def handlers(row):
    if row:
        signal.signal(signal.SIGHUP, own)
    ending, sending = os.pipe()
    if not os.fork():
        found = [signal.getsignal(number) for number in (2, 15, 1)]
        usual = [signal.default_int_handler, signal.SIG_DFL, own if row else signal.SIG_DFL]
        os.write(sending, str(found == usual).encode())
        os._exit(0)
    os.wait()
    return os.read(ending, 100).decode()

print(Flow().slice([0, 1]).map(handlers).collect())
"""
    with driver(tmp_path, "inline", "", script) as running:
        ended = running.finish()
    assert (ended.status, ended.stdout, ended.stderr) == (0, "['True', 'True']\n", "")


@pytest.mark.parametrize("mode", ["plain", "inline"])
def test_a_process_that_a_function_forks_heeds_signals_as_usual(mode: str, tmp_path: Path) -> None:
    """Processes of a multiprocessing.Pool, for example, which ends its children by SIGTERM."""
    script = """
import os, signal
from glowpy import Flow

def fork(number):
    ready, tell = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(tell, b"!")
        signal.pause()
    os.read(ready, 1)
    os.kill(pid, number)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

print(Flow().slice([signal.SIGTERM, signal.SIGHUP]).map(fork).collect())
"""
    with driver(tmp_path, mode, "", script) as running:
        ended = running.finish()
    assert (ended.status, ended.stdout, ended.stderr) == (0, "[-15, -1]\n", "")


@NOT_INLINE
def test_processes_of_a_function_end_too(mode: str, cluster: str, tmp_path: Path) -> None:
    with driver(tmp_path, mode, cluster, WITH_CHILDREN) as running:
        child = psutil.Process(int(running.stdout.await_match(r"child (\d+)\n")[1]))
        press_ctrl_c(running)
        assert_interrupted(running)
        assert psutil.wait_procs([child], BOUND_S)[1] == []


def test_ctrl_c_while_a_master_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(AT_WORK, encoding="utf-8")
    with (
        unused_address() as leader,
        started(tmp_path, "script.py", "-glow", f"-glow.leader={leader}") as running,
    ):
        running.stderr.await_match("waiting for the master")
        press_ctrl_c(running)
        assert_interrupted(running)


# --- servers ------------------------------------------------------------------------------------


@contextmanager
def cluster_at_work(directory: Path) -> Iterator[tuple[Running, Running]]:
    """A cluster, and a driver whose functions run on both agents."""
    options = ["--agents", "2", "--executors", "1", "--port", "0"]
    with started(directory, "-m", "glowpy", "cluster", *options) as cluster:
        leader = cluster.stdout.await_match(r"cluster ready, leader (\S+)")[1]
        with driver(directory, "cluster", leader) as running:
            running.stdout.await_match("at work", 2)
            yield cluster, running


def server_of(cluster: Running, role: str) -> psutil.Process:
    """The first of the cluster's servers in this role."""
    children = psutil.Process(cluster.process.pid).children()
    return next(child for child in children if role in child.cmdline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cluster_that_is_ended_under_a_run(number: signal.Signals, tmp_path: Path) -> None:
    with cluster_at_work(tmp_path) as (cluster, running):
        cluster.process.send_signal(number)
        assert cluster.finish().status == 0, cluster.so_far()
        press_ctrl_c(running)
        assert_interrupted(running)


def test_an_agent_that_is_ended_under_a_run(tmp_path: Path) -> None:
    with cluster_at_work(tmp_path) as (cluster, running):
        server_of(cluster, "agent").terminate()
        cluster.stderr.await_match(r"glowpy: the agent at \S+ ended with exit status 0")
        press_ctrl_c(running)
        assert_interrupted(running)
        cluster.process.send_signal(signal.SIGTERM)
        assert cluster.finish().status == 0, cluster.so_far()


def test_a_master_that_is_ended_under_a_run(tmp_path: Path) -> None:
    """The cluster ends with its master, and its agents kill their executors."""
    with cluster_at_work(tmp_path) as (cluster, running):
        server_of(cluster, "master").terminate()
        ended = cluster.finish()
        press_ctrl_c(running)
        assert_interrupted(running)
    assert ended.status == 1
    assert re.search(
        r"the cluster is over: the master at \S+ ended with exit status 0", ended.stderr
    )
