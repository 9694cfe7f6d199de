"""Executors that die during a run: the run completes, or its error names executor and cause.

Inline, the user's function would kill the test itself, so these run standalone and on the cluster.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glowpy.errors import ExecutorsDied, OutputError, TaskFailed
from tests.runners import ON_EVERY_RUNNER, Runner

pytestmark = pytest.mark.slow


@pytest.fixture(params=["standalone", "cluster"])
def new_flow(request: pytest.FixtureRequest) -> Runner:
    if request.param == "standalone":
        return Runner("standalone")
    return Runner("cluster", ("-glow", f"-glow.leader={request.getfixturevalue('cluster')}"))


def dying_once(marker: Path, row: Any) -> Any:
    """Return the row, but kill the first calling process by SIGKILL."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return row
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


@ON_EVERY_RUNNER
@pytest.mark.parametrize("at", [0, 57, 99])
def test_a_killed_executors_group_runs_again(new_flow: Runner, tmp_path: Path, at: int) -> None:
    marker = tmp_path / "died"
    dataset = (
        new_flow()
        .slice(range(100), 4)
        .map(lambda row: dying_once(marker, row) if row == at else row)
        .map(lambda row: (row % 7, row))
        .partition(3)
        .reduce_by_key(lambda left, right: left + right)
    )
    assert dataset.collect() == [(k, sum(range(k, 100, 7))) for k in range(7)]
    assert marker.exists(), "nobody died"


@ON_EVERY_RUNNER
def test_a_killed_consumer_reads_its_inputs_again(new_flow: Runner, tmp_path: Path) -> None:
    marker = tmp_path / "died"
    dataset = (
        new_flow()
        .slice(range(1000), 5)
        .partition(2)
        .map(lambda row: dying_once(marker, row) if row == 500 else row)
    )
    assert sorted(dataset.collect()) == list(range(1000))
    assert marker.exists(), "nobody died"


@ON_EVERY_RUNNER
def test_a_saved_file_is_complete_after_a_death(new_flow: Runner, tmp_path: Path) -> None:
    marker, target = tmp_path / "died", tmp_path / "out.txt"

    def slowly(row: int) -> Iterator[int]:
        yield dying_once(marker, row) if row == 3999 else row

    new_flow().slice(range(4000), 2).flat_map(slowly).save_text_to_file(target)
    assert target.read_text() == "".join(f"{row}\n" for row in range(4000))
    assert marker.exists(), "nobody died"


@ON_EVERY_RUNNER
def test_a_group_that_always_kills_its_executor_is_given_up(new_flow: Runner) -> None:
    flow = new_flow().slice(range(9), 3)
    with pytest.raises(ExecutorsDied, match=r"Input0>Map1 \(.*\) task 1 of 3.*4 tries.*SIGSEGV"):
        flow.map(lambda row: os.kill(os.getpid(), signal.SIGSEGV) if row == 4 else row).run()


@ON_EVERY_RUNNER
def test_os_exit_is_a_death_and_sys_exit_a_failure(new_flow: Runner) -> None:
    with pytest.raises(ExecutorsDied, match="exit status 3"):
        new_flow().slice([1]).map(lambda row: os._exit(3)).run()
    with pytest.raises(TaskFailed, match=r"sys\.exit\(3\)"):
        new_flow().slice([1]).map(lambda row: sys.exit(3)).run()


@ON_EVERY_RUNNER
def test_a_full_disk_is_an_error_that_names_it(new_flow: Runner) -> None:
    def smaller_files(row: bytes) -> bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        return row * 8

    with pytest.raises(OutputError, match=r"Input0>Map1 \(.*\) on .*cannot write .*File too large"):
        new_flow().slice([bytes(1 << 20)]).map(smaller_files).collect()
