"""Executors that wait for a lock that no thread can release are detected, reported and replaced."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glowpy.agent.standstill import Finding, Watch, judge, switches_of_waiting, users_part
from glowpy.stacks import read_stack, request_stack
from tests.processes import flags_of, run

BOUND_S = 60.0
FUTEX = "202" if os.uname().machine == "x86_64" else "98"


def judged(*looks: tuple[float, int]) -> list[Finding]:
    """The findings of repeated looks at a process: time, context switches of the main thread."""
    watch: Watch | None = None
    findings = []
    for now, switches in looks:
        watch, finding = judge(watch, now, switches, patience_s=20.0)
        findings.append(finding)
    return findings


def test_a_process_that_is_never_scheduled_is_asked_for_its_stack_and_then_found() -> None:
    looks = [(0.0, 7), (10.0, 7), (19.9, 7), (20.0, 7), (21.0, 9)]
    *nothing, ask, found = judged(*looks)
    assert set(nothing) == {Finding.NOTHING}
    assert (ask, found) == (Finding.ASK, Finding.STANDS_STILL)


@pytest.mark.parametrize("switches", [8, -1])
def test_the_wait_begins_again_with_any_progress(switches: int) -> None:
    assert judged((0.0, 7), (19.0, switches), (21.0, 7), (40.0, 7)) == [Finding.NOTHING] * 4
    assert judged((0.0, 7), (20.0, 7), (21.0, -1), (22.0, 8)) == [
        *(Finding.NOTHING, Finding.ASK, Finding.NOTHING, Finding.NOTHING)
    ]


def process_at(place: Path, call: str, threads: tuple[str, ...] = (), children: str = "") -> int:
    """Write the /proc files of a process."""
    tasks = place / "7" / "task"
    for number, name in enumerate(["python", *threads]):
        task = tasks / str(7 + number)
        task.mkdir(parents=True)
        (task / "comm").write_text(f"{name}\n")
        (task / "children").write_text(children if number == 0 else "")
    (place / "7" / "syscall").write_text(f"{call}\n")
    (place / "7" / "status").write_text(
        "Name:\tpython\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n"
    )
    return switches_of_waiting(7, str(place))


OURS = ("glowpy-lifeline", "ZMQbg/Reaper", "ZMQbg/IO/0")


def test_a_private_wait_without_limit_beside_our_own_threads_counts(tmp_path: Path) -> None:
    assert process_at(tmp_path, f"{FUTEX} 0x7f00 0x189 0x0 0x0 0x0 0xf 0x1 0x2", OURS) == 11


@pytest.mark.parametrize(
    ("call", "threads", "children"),
    [
        ("running", OURS, ""),
        (f"{FUTEX} 0x7f00 0x109 0x0 0x0 0x0 0xf 0x1 0x2", OURS, ""),  # shared with other processes
        (f"{FUTEX} 0x7f00 0x189 0x0 0x7ffe 0x0 0xf 0x1 0x2", OURS, ""),  # with a timeout
        (f"{FUTEX} 0x7f00 0x81 0x0 0x0 0x0 0xf 0x1 0x2", OURS, ""),  # wakes other threads
        ("7 0x7f00 0x1 0x0 0x0 0x0 0x0 0x1 0x2", OURS, ""),  # poll
        (f"{FUTEX} 0x7f00 0x189 0x0 0x0 0x0 0xf 0x1 0x2", (*OURS, "python"), ""),
        (f"{FUTEX} 0x7f00 0x189 0x0 0x0 0x0 0xf 0x1 0x2", OURS, "41 "),
    ],
)
def test_a_process_with_a_possible_wakeup_does_not_count(
    call: str, threads: tuple[str, ...], children: str, tmp_path: Path
) -> None:
    assert process_at(tmp_path, call, threads, children) == -1


def test_a_process_that_is_gone_does_not_count(tmp_path: Path) -> None:
    assert switches_of_waiting(7, str(tmp_path)) == -1


WAITING = """
import threading
from glowpy.stacks import offer_stack

def take_twice():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

offer_stack()
print(flush=True)
take_twice()
"""


def test_a_real_process_that_waits_writes_its_stack() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        await_true(lambda: switches_of_waiting(process.pid) > 0)
        request_stack(process.pid)
        await_true(lambda: "in take_twice" in read_stack(process.pid))
        process.send_signal(signal.SIGKILL)


def await_true(condition: object) -> None:
    deadline = time.monotonic() + BOUND_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline


def test_the_stack_ends_where_our_own_frames_begin() -> None:
    head, inner, outer = "Stack:", '  File "x.py", line 1 in f', '  File "x.py", line 2 in g'
    ours = f'  File "{os.path.dirname(switches_of_waiting.__code__.co_filename)}/y.py", line 3 in h'
    fused = '  File "<glowpy fused steps>", line 1 in loop'
    assert users_part("\n".join([head, inner, outer, fused, ours])) == f"{head}\n{inner}\n{outer}"
    assert users_part(f"{head}\n{inner}") == f"{head}\n{inner}"


HELD_BY_A_THREAD = """
import threading
import held
from glowpy import Flow

def work(row):
    with held.lock:
        return row * 2

holds, ends = threading.Event(), threading.Event()

def hold():
    with held.lock:
        holds.set()
        ends.wait()

thread = threading.Thread(target=hold)
thread.start()
holds.wait()
try:
    print(Flow().slice(range(4), 4).map(work).collect())
finally:
    ends.set()
"""

TAKEN_TWICE = """
import threading
from glowpy import Flow

def work(row):
    lock = threading.Lock()
    lock.acquire()
    if row == 3:
        lock.acquire()
    return row
{unpicklable}
Flow().slice(range(4), 4).map(work).run()
"""


@pytest.mark.slow
def test_forks_that_stand_still_are_replaced_by_new_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.05")
    (tmp_path / "held.py").write_text("import threading\nlock = threading.Lock()\n")
    (tmp_path / "script.py").write_text(HELD_BY_A_THREAD)
    ended = run(tmp_path, "script.py", "-glow.workers=2")
    assert ended.stdout == "[0, 2, 4, 6]\n", ended.stderr
    assert re.search(r"waited for 1 s for a lock that nothing can release", ended.stderr)
    assert re.search(r'File ".*script.py", line 7 in work', ended.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unpicklable", "reason"),
    [("", "Its executor is not a fork"), ("work.lock = threading.Lock()", "cannot be pickled")],
)
def test_a_function_that_waits_for_itself_ends_the_run_with_its_stack(
    unpicklable: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.05")
    (tmp_path / "script.py").write_text(TAKEN_TWICE.format(unpicklable=unpicklable))
    ended = run(tmp_path, "script.py", "-glow.workers=2", status=1)
    assert "Input0>Map1 (script.py:12) task 3 of 4 stands still" in ended.stderr
    assert re.search(r'File ".*script.py", line 9 in work', ended.stderr)
    assert reason in ended.stderr


@pytest.mark.slow
def test_on_a_cluster_the_limit_of_tries_ends_the_run_with_its_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.05")
    (tmp_path / "script.py").write_text(TAKEN_TWICE.format(unpicklable=""))
    ended = run(tmp_path, "script.py", *flags_of("own cluster", ""), status=1)
    assert "killed its executor at each of 4 tries" in ended.stderr
    stacks = re.findall(r'File "(.*script\.py)", line 9 in work', ended.stderr)
    assert set(stacks) == {str(tmp_path / "script.py")}, "the driver's path, not the agent's"
