"""Executors that grow without limit or stop responding."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from glowpy import Flow
from glowpy.agent.guard import Guard, hard_limit_mb, private_mb
from glowpy.errors import ClusterError, ExecutorsDied
from glowpy.timing import Timing
from tests.runners import ON_EVERY_RUNNER, Runner
from tests.test_retry_budget import new_flow  # noqa: F401  # standalone and cluster

pytestmark = pytest.mark.slow


def growing(row: int) -> int:
    """Allocate memory step by step until another process kills this one."""
    held = []
    while True:
        held.append(os.urandom(1 << 20) * 8)
        if len(held) > 1000:
            raise AssertionError("nobody has stopped it")


@ON_EVERY_RUNNER
def test_an_executor_that_grows_without_end_is_killed(new_flow: Runner) -> None:  # noqa: F811
    with pytest.raises(ExecutorsDied) as failure:
        new_flow().slice([1]).map(growing).run()
    text = str(failure.value)
    assert re.match(r"Input0>Map1 \(.*\) killed its executor at each of 4 tries: ", text)
    assert "killed by its agent: it took " in text
    assert "more than its hard limit of 512 MB" in text
    assert "4 times -glow.task.memoryMB (64)" in text


@ON_EVERY_RUNNER
def test_more_memory_can_be_asked_for(new_flow: Runner) -> None:  # noqa: F811
    def large(row: int) -> int:
        return sum(map(len, [os.urandom(1 << 20) * 10 for _ in range(60)]))

    flow = new_flow("-glow.task.memoryMB=200")
    assert flow.slice([1]).map(large).collect() == [600 << 20]


def test_an_executor_that_is_stopped_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.1")
    marker = tmp_path / "stopped"

    def stop_once(row: int) -> int:
        if row == 5 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        return row

    assert Flow([]).slice(range(10), 2).map(stop_once).collect() == list(range(10))
    assert marker.exists(), "nobody was stopped"


def test_an_executor_that_is_always_stopped_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.02")
    flow = Flow([]).slice([1]).map(lambda row: os.kill(os.getpid(), signal.SIGSTOP))
    with pytest.raises(ExecutorsDied, match=r"somebody stopped it \(SIGSTOP\), 0.3 s ago"):
        flow.run()


def test_a_run_whose_fork_server_is_stopped_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.02")

    def stop_the_fork_server(row: int) -> int:
        os.kill(os.getppid(), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGKILL)
        return row

    with pytest.raises(ClusterError, match="the process that starts executors cannot go on"):
        Flow([]).slice([1]).map(stop_the_fork_server).run()


def test_the_hard_limit_is_a_multiple_but_not_too_small() -> None:
    assert [hard_limit_mb(memory) for memory in (1, 64, 128, 129, 1000)] == [
        512,
        512,
        512,
        516,
        4000,
    ]


def test_private_memory_is_what_ends_with_a_process() -> None:
    code = (
        "import sys; held = bytes(100 << 20).replace(b'\\0', b'x'); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 100 <= private_mb(process.pid) < 150
        assert 100 <= private_mb(process.pid, above_mb=1000) < 150
        process.communicate(b"\n")
        assert private_mb(process.pid) == 0


def test_the_guard_samples_at_intervals(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name: x\nRssAnon:  900000 kB\n")
    (tmp_path / "7" / "smaps_rollup").write_text(
        "Private_Clean: 1024 kB\nPrivate_Dirty: 600000 kB\n"
    )
    guard = Guard(Timing(beat_s=1.0), str(tmp_path))
    of_all = [("small", 7, 200), ("big", 7, 100), ("gone", 8, 1)]
    ((executor, reason, _),) = guard.executors_to_kill(10.0, of_all)
    assert executor == "big" and reason.startswith("it took 586 MB of memory, more than its hard")
    assert list(guard.executors_to_kill(10.9, of_all)) == []
    assert len(list(guard.executors_to_kill(11.0, of_all))) == 1
