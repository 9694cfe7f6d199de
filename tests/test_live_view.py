"""The view of a run: on a terminal, in a file, and after an interrupt."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate import SCRIPT, Gate
from tests.processes import BOUND_S, flags_of, run, started
from tests.terminal import on_terminal

pytestmark = pytest.mark.slow  # long runs

# The view begins after 0.4 s and is drawn every 50 ms; a line without a terminal comes every 2 s.
FAST = {"GLOWPY_TIME_SCALE": "0.2"}

# Each row waits until the test lets the row through.
GATED = (
    SCRIPT
    + """
def work(row):
    {act}
    return pass_gate("work", row)

Flow().slice(range(20), 20).map(work).partition(3).count()
print("the end")
"""
)


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


@pytest.fixture(params=["plain", pytest.param("cluster", id="cluster")])
def mode(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


def write(directory: Path, act: str) -> None:
    text = GATED.replace("{act}", act)
    (directory / "script.py").write_text(text, encoding="utf-8")


def lines_of(text: str) -> list[str]:
    """The printed lines, without the addresses of agents."""
    return [line.rpartition("> ")[2] for line in text.splitlines() if line]


def words(mode: str, cluster: str) -> list[str]:
    # two executors, also on a larger cluster
    return [*flags_of(mode, cluster), *(["-glow.workers=2"] if mode == "plain" else [])]


# --- on a terminal ------------------------------------------------------------------------------


def test_prints_stand_above_the_lines_whole_and_in_order(gate: Gate, tmp_path: Path) -> None:
    """Output of every kind: print, kept streams, logging, children, the script's own threads.

    Half of the rows are printed while the view is drawn, each with a redraw.
    """
    script = (
        SCRIPT
        + """
import logging, sys, threading, time

logging.basicConfig(level=logging.INFO, format="%(message)s")
kept = sys.stdout
is_over = threading.Event()

def work(row):
    if row >= 10:
        pass_gate("work", row)
    print(f"printed {row}")
    logging.info("logged %d", row)
    os.system(f"echo child {row}")
    os.write(2, b"descriptor %d\\n" % row)
    print(f"kept {row}", file=kept, flush=True)
    print(f"end less {row}", end="")
    time.sleep(0.05)
    return row

def talk():
    number = 0
    while not is_over.wait(0.02):
        sys.stdout.write(f"thread {number}\\n")  # at once: print may be interrupted
        number += 1

print("no end of line: ", end="")
Flow(["-glow.inline"]).slice([1]).run()
thread = threading.Thread(target=talk)
flow = Flow().slice(range(20), 20).map(work).partition(3)
thread.start()
try:
    flow.run()
finally:
    is_over.set()
    thread.join()
print("the end")
"""
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    words = ["script.py", gate.port, "-glow.workers=2"]
    with on_terminal(tmp_path, *words, environment=FAST, size=(100, 24)) as terminal:
        terminal.await_match(r"\d+ of 23 tasks done, \d running on 2 executors")
        gate.open()
        assert terminal.finish() == 0, terminal.text()
        text = terminal.text()
    assert text.startswith("no end of line: ")
    said = [line.removeprefix("no end of line: ") for line in text.splitlines() if line]
    threads = [line for line in said if line.startswith("thread ")]
    assert threads == [f"thread {number}" for number in range(len(threads))] and threads
    of_tasks = [line for line in said if not line.startswith("thread ")]
    kinds = ("printed", "logged", "child", "descriptor", "kept", "end less")
    expected = [f"{kind} {row}" for kind in kinds for row in range(20)]
    (end,) = [line for line in of_tasks if line.startswith("glowpy: ")]
    assert sorted(of_tasks) == sorted([*expected, end, "the end"])
    assert re.fullmatch(r"glowpy: run 2 done in .*s: 23 tasks on at most 2 executors", end)
    assert of_tasks[-2:] == [end, "the end"], "the lines are gone"


def test_a_line_for_each_step_group(mode: str, cluster: str, gate: Gate, tmp_path: Path) -> None:
    write(tmp_path, "print('at work', row)")
    flags = [gate.port, *words(mode, cluster)]
    with on_terminal(tmp_path, "script.py", *flags, environment=FAST) as terminal:
        terminal.await_match(r"(?m)^0 Input0>Map1>Partition_scatter2 .* \d/20 +\d running")
        terminal.await_match(r"(?m)^1 Partition_collect3 .* 0/3 +waiting +0 rows")
        terminal.await_match(r"\d of 23 tasks done, \d running on \d executors")
        gate.open()
        assert terminal.finish() == 0, terminal.text()
    *others, end, last = lines_of(terminal.text())
    assert sorted(others) == sorted(f"at work {row}" for row in range(20)) and last == "the end"
    assert re.match(r"glowpy: run 1 done in .*s: 23 tasks on at most \d executors$", end)


def test_a_plain_view_without_rich(gate: Gate, tmp_path: Path) -> None:
    write(tmp_path, "pass")
    (tmp_path / "rich.py").write_text("raise ImportError('not installed')")
    words = ["script.py", gate.port, "-glow.workers=2"]
    with on_terminal(tmp_path, *words, environment=FAST) as terminal:
        terminal.await_match(r"(?m)^0 Input0>Map1>Partition_scatter2 +\.+ +0/20 +2 running")
        assert b"\x1b[38" not in terminal.raw and b"\x1b[1m" not in terminal.raw
        gate.open()
        assert terminal.finish() == 0, terminal.text()
    assert re.fullmatch(r"glowpy: run 1 done in .*\nthe end\n", terminal.text())


def test_more_step_groups_than_the_terminal_has_lines(gate: Gate, tmp_path: Path) -> None:
    script = (
        SCRIPT
        + """
data = Flow().slice(range(4), 2).map(lambda row: pass_gate("work", row))
for n in range(20):
    data = data.partition(2 + n % 2)
print(data.count())
"""
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    words = ["script.py", gate.port]
    with on_terminal(tmp_path, *words, environment=FAST, size=(80, 10)) as terminal:
        terminal.await_match(r"tasks done.*; 1\d more not shown")
        assert re.match(r"\n*0 Input0", terminal.text()), "nothing was scrolled away"
        terminal.resize(40, 8)
        terminal.await_match(r"(?m)^0 Inp[^\n]{0,35}\n1 Par")
        gate.open()
        assert terminal.finish() == 0, terminal.text()
    assert terminal.text().split("\n")[-2:] == ["4", ""]


def test_a_terminal_that_is_stopped_does_not_stop_the_run(gate: Gate, tmp_path: Path) -> None:
    """Ctrl-S blocks all output until Ctrl-Q."""
    write(tmp_path, "pass")
    with (tmp_path / "script.py").open("a", encoding="utf-8") as script:
        script.write("os.close(os.open('left', os.O_CREAT))\nprint('the last line')\n")
    text = (tmp_path / "script.py").read_text().replace('print("the end")', "")
    (tmp_path / "script.py").write_text(text)
    words = ["script.py", gate.port, "-glow.workers=2"]
    with on_terminal(tmp_path, *words, environment=FAST) as terminal:
        terminal.await_match("tasks done")
        terminal.press(b"\x13")
        gate.open()
        deadline = time.monotonic() + BOUND_S
        while not (tmp_path / "left").exists():
            assert time.monotonic() < deadline, "the run stands still"
            terminal.read(0.05)
        terminal.press(b"\x11")
        assert terminal.finish() == 0, terminal.text()
    assert "the last line" in terminal.text()


@pytest.mark.parametrize("how", ["short", "quiet", "dumb", "output only"])
def test_nothing_is_drawn(how: str, gate: Gate, tmp_path: Path) -> None:
    """No view for a short run, with -glow.quiet, or without a terminal."""
    write(tmp_path, "print('at work')")
    gate.open()
    environment = {"GLOWPY_TIME_SCALE": "30"} if how == "short" else dict(FAST)
    flags = [gate.port, *(["-glow.quiet"] if how == "quiet" else [])]
    if how == "dumb":
        environment["TERM"] = "dumb"
    stderr = subprocess.DEVNULL if how == "output only" else None
    with on_terminal(
        tmp_path, "script.py", *flags, environment=environment, stderr=stderr
    ) as terminal:
        assert terminal.finish() == 0
    assert b"\x1b" not in terminal.raw, terminal.raw


# --- Ctrl-C -------------------------------------------------------------------------------------


def assert_states_are_shown(text: str, running: int) -> None:
    notes = [line for line in text.replace("^C", "").splitlines() if line.startswith("glowpy: ")]
    assert re.search(rf": 0 of 23 tasks done, {running} running on \d executors", text), text
    states = [note for note in notes if "attempt" in note]
    assert len(states) == running, text
    for state in states:
        assert re.search(
            r"Input0>Map1>Partition_scatter2 \(script.py:\d+\) task \d+ of 20, group \d+, "
            r"attempt \d+ on executor \S+( at \S+)?: running for ",
            state,
        )


def test_ctrl_c_shows_the_running_steps(
    mode: str, cluster: str, gate: Gate, tmp_path: Path
) -> None:
    write(tmp_path, "print('at work')")
    flags = [gate.port, *words(mode, cluster)]
    with on_terminal(tmp_path, "script.py", *flags, environment=FAST, size=(300, 40)) as terminal:
        found = terminal.await_match(r"0 of 23 tasks done, ([2-6]) running on \d executors")
        terminal.press(b"\x03")
        assert terminal.finish() == -signal.SIGINT, terminal.text()
    text = terminal.text()
    assert text.rstrip().endswith("\nKeyboardInterrupt: count() at script.py:17")
    assert "Traceback" not in text
    assert_states_are_shown(text, text.count("running for"))
    assert text.count("running for") >= int(found[1])


def test_ctrl_c_before_there_is_a_view(gate: Gate, tmp_path: Path) -> None:
    write(tmp_path, "print('at work', flush=True)")
    slow = {"GLOWPY_TIME_SCALE": "30"}  # no view before the signal, even on a slow machine
    words = ["script.py", gate.port, "-glow.workers=2"]
    with started(tmp_path, *words, environment=slow) as running:
        running.stdout.await_match("at work", 2)
        os.killpg(running.process.pid, signal.SIGINT)
        ended = running.finish()
    assert ended.status == -signal.SIGINT
    assert_states_are_shown(ended.stderr, 2)


# --- without a terminal -------------------------------------------------------------------------


def test_a_line_now_and_then(mode: str, cluster: str, gate: Gate, tmp_path: Path) -> None:
    write(tmp_path, "print('at work')")
    flags = [gate.port, *words(mode, cluster)]
    with started(tmp_path, "script.py", *flags, environment=FAST) as running:
        running.stderr.await_match(
            r"(?m)^glowpy: [\d.]+ m?s: 0 of 23 tasks done, [2-6] running on \d executors; "
            r"Input0>Map1>Partition_scatter2 0/20, 0 rows/s$",
            2,
        )
        gate.open()
        ended = running.finish()
    assert ended.status == 0 and "the end" in ended.stdout
    assert "\x1b" not in ended.stdout + ended.stderr
    assert re.search(
        r"\nglowpy: run 1 done in .*s: 23 tasks on at most \d executors\n$", ended.stderr
    )


# --- at the end ---------------------------------------------------------------------------------

COUNTED = """
import os, signal
from glowpy import Flow

def work(row):
    if row == 7 and not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return row

numbers = Flow().slice(range(100), 4).map(work)
print(len(numbers.partition(3).collect()))
"""


@pytest.mark.parametrize("mode", ["plain", "inline", "cluster"])
def test_statistics_for_programs(mode: str, cluster: str, tmp_path: Path) -> None:
    """An attempt that dies counts as a retry, and its rows do not count."""
    (tmp_path / "script.py").write_text(COUNTED, encoding="utf-8")
    if mode == "inline":
        (tmp_path / "died").touch()
    ended = run(
        tmp_path, "script.py", *flags_of(mode, cluster), "-glow.flow.stat=json", "-glow.quiet"
    )
    assert ended.stdout == "100\n"
    told = json.loads(ended.stderr)
    assert (told["run_number"], told["outcome"]) == (1, "done")
    first, second = told["step_groups"]
    assert first["steps"] == ["Input0", "Map1", "Partition_scatter2"]
    assert second["steps"] == ["Partition_collect3"]
    for step_group, tasks in ((first, 4), (second, 3)):
        assert (step_group["tasks"], step_group["sealed"]) == (tasks, tasks)
        assert (step_group["rows_in"], step_group["rows_out"]) == (100, 100)
        assert step_group["bytes_in"] > 0 and step_group["bytes_out"] > 0
        assert step_group["ran_s"] > 0 and step_group["waited_s"] >= 0
        assert step_group["slowest"]["took_s"] <= step_group["ran_s"] + step_group["waited_s"]
        assert sum(step_group["agents"].values()) == tasks
    assert first["bytes_out"] == second["bytes_in"]
    assert (first["retries"] >= 1) == (mode != "inline")
    assert all(":" in agent for agent in first["agents"]) == (mode == "cluster")


def test_statistics_of_a_run_that_fails_and_spills(tmp_path: Path) -> None:
    script = """
from glowpy import Flow
rows = Flow().slice([(n % 50_000, "x" * 50) for n in range(100_000)], 2)
rows.sort().map(lambda k, v: (k, 1 // (49_999 - k))).run()
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    words = ("-glow.flow.stat", "-glow.task.memoryMB=1")
    ended = run(tmp_path, "script.py", *words, status=1)
    head, titles, first, second = re.search(r"glowpy: run 1 failed.*(?:\n.*){3}", ended.stderr)[
        0
    ].splitlines()  # type: ignore[index]
    assert re.search(
        r"failed in [\d.]+ m?s: 2 tasks on at most \d executors on this machine$", head
    )
    assert titles.split("  ")[0] == "step group" and titles.endswith("spilled")
    assert re.search(r" 2 +100,000 +.* here +0 +[\d.]+ MB$", first), first
    assert " 0 of 1 " in second
    assert "ZeroDivisionError" in ended.stderr


# --- start --------------------------------------------------------------------------------------


def test_a_short_run_loads_nothing_of_it(tmp_path: Path) -> None:
    script = """
import sys
from glowpy import Flow
assert Flow().slice(range(10), 2).map(str).count() == 10
shown = "amounts bars captured progress run_log screen run_stats summary logs rich".split()
print([name for name in sys.modules if name.split(".")[-1] in shown or name == "logging"])
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    slow = {"GLOWPY_TIME_SCALE": "30"}  # a short run, even on a slow machine
    assert run(tmp_path, "script.py", environment=slow).stdout == "[]\n"
    assert "run_stats" in run(tmp_path, "script.py", "-glow.flow.stat").stdout


def test_two_runs_at_once_share_a_terminal(gate: Gate, tmp_path: Path) -> None:
    """One run is drawn; lines of the other run stand above the view."""
    script = (
        SCRIPT
        + """
import threading

def work(row):
    print("at work", row)
    return pass_gate("work", row)

flows = [Flow().slice(range(4), 4).map(work) for _ in range(2)]
threads = [threading.Thread(target=flow.run) for flow in flows]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("the end")
"""
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    words = ["script.py", gate.port, "-glow.workers=1"]
    with on_terminal(tmp_path, *words, environment=FAST, size=(110, 40)) as terminal:
        terminal.await_match(r"(?m)^0 Input0>Map1 .* 0/4 ")
        terminal.await_match(r"(?m)^glowpy: .* 0 of 4 tasks done")
        gate.open()
        assert terminal.finish() == 0, terminal.text()
    said = [line for line in terminal.text().splitlines() if not line.startswith("glowpy: ")]
    rows = [f"at work {row}" for row in range(4)]
    assert sorted(filter(None, said)) == sorted([*rows, *rows, "the end"])
