"""The processes that an executor has started end with the executor, in every session.

Inline, the executor is the test itself, so these tests run standalone and on the cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from glowpy.family import kill_family, new_mark
from tests.processes import await_end
from tests.runners import Runner
from tests.test_retry_budget import new_flow  # noqa: F401  # standalone and cluster

LASTING = [sys.executable, "-c", "import time; time.sleep(600)"]
# The shell ends immediately, so that init adopts the process.
ORPHANED = ["/bin/sh", "-c", 'setsid "$@" </dev/null >/dev/null 2>&1 & echo $!', "sh", *LASTING]


def start_processes() -> list[int]:
    """Start a child in a new session and an orphan in another; return their process ids."""
    child = subprocess.Popen(LASTING, start_new_session=True)
    child.returncode = 0  # prevents the warning about a running child
    orphan = subprocess.run(ORPHANED, stdout=subprocess.PIPE, text=True, check=True)
    return [child.pid, int(orphan.stdout)]


@pytest.mark.slow
def test_processes_in_other_sessions_end_with_the_run(new_flow: Runner) -> None:  # noqa: F811
    pids = new_flow().slice([0], 1).flat_map(lambda _row: start_processes()).collect()
    for pid in pids:
        await_end(pid)


@pytest.mark.slow
def test_processes_in_other_sessions_end_with_a_killed_executor(
    new_flow: Runner,  # noqa: F811
    tmp_path: Path,
) -> None:
    notes = tmp_path / "pids"

    def dying_once(row: int) -> int:
        if not notes.exists():
            notes.write_text(" ".join(map(str, start_processes())))
            os.kill(os.getpid(), signal.SIGKILL)
        for pid in map(int, notes.read_text().split()):
            await_end(pid)  # before the end of the run
        return row

    assert new_flow().slice([7], 1).map(dying_once).collect() == [7]


def test_a_process_without_the_mark_is_left_alone() -> None:
    mark = new_mark()
    marked = subprocess.Popen(LASTING, env={**os.environ, "FAMILY": mark})
    other = subprocess.Popen(LASTING, env={**os.environ, "FAMILY": mark + "0"})
    try:
        kill_family("FAMILY", mark)
        assert marked.wait(60) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (marked, other):
            process.kill()
            process.wait(60)
