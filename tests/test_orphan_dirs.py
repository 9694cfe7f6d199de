"""A later run removes the directories of killed standalone runs, and no other directories."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from glowpy.driver.fleets.fork_server import ForkServer
from glowpy.driver.orphan_dirs import remove_abandoned
from glowpy.secret import Secret
from tests.processes import BOUND_S, await_end
from tests.test_fork_server import Gate, gate

__all__ = ["gate"]


def aged(path: Path) -> Path:
    os.utime(path, (0, 0), follow_symlinks=False)
    return path


def made(place: Path, digit: str) -> Path:
    path = place / f"glowpy-{12 * digit}"
    path.mkdir()
    return path


def abandoned(place: Path, digit: str) -> Path:
    """A run's directory whose fork server was killed before it had started an executor."""
    path = made(place, digit)
    with ForkServer(lambda _executor, _secret: None, str(path)) as fork_server:
        deadline = time.monotonic() + BOUND_S
        while not (path / "held").exists():
            assert time.monotonic() < deadline, "it holds nothing"
            os.sched_yield()
        os.kill(fork_server.pid, signal.SIGKILL)
        await_end(fork_server.pid)
    return path


def test_abandoned_directories_go_with_the_next_run(tmp_path: Path, gate: Gate) -> None:
    held, lost, own = made(tmp_path, "a"), abandoned(tmp_path, "b"), made(tmp_path, "c")
    with ForkServer(gate.wait, str(held)) as other:
        other.start("e1", Secret.make())
        gate.arrived()  # the directory is held before the other fork server starts
        aged(held)
        (lost / "below").mkdir()
        (lost / "below" / "rows-0.seg").touch()
        aged(lost)
        with ForkServer(lambda _executor, _secret: None, str(own)):
            pass
        assert (held.exists(), lost.exists(), own.exists()) == (True, False, False)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_has_no_fork_server_yet_is_left_alone(tmp_path: Path) -> None:
    young, old = made(tmp_path, "a"), made(tmp_path, "b")
    aged(old)
    remove_abandoned(str(tmp_path))
    assert list(tmp_path.iterdir()) == [young]


def test_nothing_else_is_touched(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / f"glowpy-{12 * 'a'}").symlink_to(elsewhere)
    (tmp_path / f"glowpy-{12 * 'b'}").touch()
    for name in (f"glowpy-{12 * 'x'}", f"glowpy-driver-{12 * 'a'}", f"glowpy-{13 * 'a'}"):
        (tmp_path / name).mkdir()
    before = sorted(map(aged, tmp_path.iterdir()))
    remove_abandoned(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == before
    assert (elsewhere / "file").exists()


def test_a_place_that_cannot_be_read_is_no_matter(tmp_path: Path) -> None:
    remove_abandoned(str(tmp_path / "none"))
