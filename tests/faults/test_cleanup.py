"""No file and no process remains when a run ends, fails or is cancelled, or a process dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from glowpy import Flow
from glowpy.errors import TaskFailed
from glowpy.testing import Faults, LocalCluster, started
from tests.faults.checks import assert_clean
from tests.faults.flows import EXPECTED, agents_of, held, release, steps_of
from tests.processes import await_end
from tests.processes import run as run_script
from tests.processes import started as started_script

pytestmark = pytest.mark.slow

SCRIPT = """
import subprocess, sys
from glowpy import Flow

def with_a_child(row):
    if row % 100 == 0:
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    return row

flow = Flow()
flow.slice(range(300), 3).map(with_a_child).partition(3).run()
"""
PROMISED_S = 30.0


def test_nothing_is_left_when_a_run_ends(cluster: LocalCluster) -> None:
    """Immediately: the driver waits for the confirmation of the agents."""
    assert sorted(steps_of(cluster.flow()).collect()) == EXPECTED
    assert cluster.left_behind() == []


def test_nothing_is_left_when_a_run_fails(cluster: LocalCluster) -> None:
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        steps_of(cluster.flow()).map(lambda pair: 1 // (pair[0] - 49)).collect()
    assert cluster.left_behind() == []


def test_nothing_is_left_when_an_agent_dies(cluster: LocalCluster) -> None:
    """The executors end by themselves; the next agent that uses the directory deletes the files."""
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    victim = agents_of(cluster, faults)[0]
    cluster.kill_agent(victim)
    await_end(faults[0].pid)
    assert os.listdir(cluster.runs_of(victim)) != []
    release(faults)
    assert sorted(run.result()) == EXPECTED
    cluster.restart_agent(victim)
    assert os.listdir(cluster.runs_of(victim)) == []
    assert cluster.left_behind() == []


def test_a_drivers_end_by_sigkill_ends_everything_of_it(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    """On the cluster: executors, their child processes, and their files."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    faults = held(cluster, "Map1", at_row=50)
    with started_script(tmp_path, "script.py", *cluster.flags) as driver:
        agents_of(cluster, faults)
        driver.process.kill()
        killed_at = time.monotonic()
        assert driver.process.wait() == -signal.SIGKILL
        for fault in faults:
            await_end(fault.pid)
        assert_clean(cluster)
        assert time.monotonic() - killed_at < PROMISED_S
        driver.finish()
        driver.await_nothing_left()


def test_a_standalone_drivers_end_by_sigkill_ends_everything_of_it(
    faults: Faults, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    armed = [faults.hold_executor(50, step="Map1", task=task) for task in range(3)]
    with started_script(tmp_path, "script.py", "-glow.workers=3") as driver:
        for fault in armed:
            fault.wait()
        driver.process.kill()
        for fault in armed:
            await_end(fault.pid)
        assert driver.finish().status == -signal.SIGKILL
        driver.await_nothing_left()


def test_executors_outlive_neither_driver_nor_fork_server(faults: Faults, tmp_path: Path) -> None:
    """Executors detect the end of both, also while a user's function runs."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    armed = [faults.hold_executor(50, step="Map1", task=task) for task in range(3)]
    with started_script(tmp_path, "script.py", "-glow.workers=3") as driver:
        pids = [fault.wait() for fault in armed]
        (fork_server,) = {psutil.Process(pid).ppid() for pid in pids}
        assert fork_server != driver.process.pid
        os.kill(fork_server, signal.SIGSTOP)  # the fork server cannot clean up before its end
        driver.process.kill()
        assert driver.process.wait() == -signal.SIGKILL
        os.kill(fork_server, signal.SIGKILL)
        for pid in (fork_server, *pids):
            await_end(pid)
        driver.finish()
        driver.await_nothing_left()


def test_other_drivers_are_unaffected_by_a_dying_driver(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    """Another run at the same agents continues and gets the dead run's executors."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    faults = held(cluster, "Map1", at_row=50)
    with started_script(tmp_path, "script.py", *cluster.flags) as driver:
        agents_of(cluster, faults)
        other = started(steps_of(cluster.flow()).collect)
        driver.process.kill()
        assert sorted(other.result(PROMISED_S)) == EXPECTED
        driver.finish()
        driver.await_nothing_left()


def test_an_error_of_the_drivers_own_leaves_nothing(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is raised while the driver stores a row of the result."""
    monkeypatch.setattr("glowpy.driver.results.Rows.add", lambda self, batch: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        steps_of(cluster.flow()).collect()
    assert cluster.left_behind() == []
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        steps_of(Flow([])).collect()
    assert list(tmp_path.iterdir()) == []


POISONED = """
import os, signal
from glowpy import Flow

def act(row):
    if row == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return row

Flow().slice(range(10), 2).map(act).save_text_to_file("result.txt")
"""


@pytest.mark.parametrize("mode", ["standalone", "cluster"])
def test_a_failing_script_names_the_row_and_leaves_nothing(
    mode: str, cluster: LocalCluster, tmp_path: Path
) -> None:
    """The last line names the row; the exit status is 1; no result is written, not even a part."""
    (tmp_path / "script.py").write_text(POISONED, encoding="utf-8")
    flags = cluster.flags if mode == "cluster" else []
    ended = run_script(tmp_path, "script.py", *flags, status=1)
    said = "ExecutorsDied: Input0>Map1 (script.py:10) task 1 of 2 killed its executor at each of 4"
    assert f"\nglowpy.errors.{said}" in ended.stderr
    assert ended.stderr.endswith("\nthe last row that it took: 7\n")
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]
    assert cluster.left_behind() == []
