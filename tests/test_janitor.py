"""A killed driver leaves neither processes nor files, on its host or at agents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from glowpy.driver.janitor import janitor
from glowpy.driver.scratch import scratch_directory
from tests.processes import BOUND_S, IN_EVERY_MODE, executors, family_of, flags_of, started

SCRIPT = """
import threading
from glowpy import Flow

def stay(row):
    print("begun")
    threading.Event().wait()

Flow().slice(range(2), 2).map(str).partition(2).map(stay).collect()
"""


@pytest.mark.slow
@IN_EVERY_MODE
def test_a_killed_driver_leaves_nothing(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    with started(tmp_path, "script.py", *flags_of(mode, cluster)) as running:
        running.stdout.await_match("begun")
        driver = psutil.Process(running.process.pid)
        others = [each for each in family_of(driver.environ()["TMPDIR"]) if each != driver]
        assert others, "nobody would clean up"
        driver.kill()
        assert running.finish().status == -9
        _gone, alive = psutil.wait_procs([*others, *executors()], BOUND_S)
        assert not alive
    # and `started` has looked for files


@pytest.mark.slow
def test_a_directory_is_removed_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program = (
        "import os, sys; from glowpy.driver.scratch import scratch_directory\n"
        "with scratch_directory('odd name; $(x) -') as made:\n"
        "    open(made + '/file', 'w').close(); print(made, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        made = Path(process.stdout.readline().decode().removesuffix("\n"))
        assert made.parent == tmp_path and (made / "file").exists()
        (keeper,) = [each for each in family_of(str(tmp_path)) if each.pid != process.pid]
        process.kill()
        keeper.wait(BOUND_S)
        assert not made.exists()


def test_nothing_is_left_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = os.listdir("/proc/self/fd")
    with scratch_directory("x-") as made:
        (keeper,) = family_of(str(tmp_path))
        Path(made, "file").touch()
    assert not keeper.is_running() and list(tmp_path.iterdir()) == []
    assert os.listdir("/proc/self/fd") == before


def test_the_watched_process_may_end_before_the_janitor_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with janitor(str(tmp_path / "x")):
        (keeper,) = family_of(str(tmp_path))
        keeper.kill()
        os.waitpid(keeper.pid, 0)  # as in a script that waits for all its children


def test_without_a_shell_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("glowpy.driver.janitor._SHELL", str(tmp_path / "none"))
    with scratch_directory("x-") as made:
        assert Path(made).is_dir() and family_of(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
