"""Executors that are killed at any row: only their task groups are computed again."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from operator import add
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset, Flow
from glowpy.errors import ExecutorsDied
from glowpy.testing import started
from tests.faults.place import Place

pytestmark = pytest.mark.slow

ROWS = 40
# Before the first row; at the first, middle and last row; after the last, before the report.
MOMENTS = [{"at_row": 0}, {"at_row": 1}, {"at_row": 5}, {"at_row": 9}, {"at_end": True}]
PRODUCERS, CONSUMERS = "Input0>Map1", "Partition_collect3>Map4"
INLINE = ("-glow.inline",)


def mapped(flow: Flow) -> Dataset:
    """Four task groups of ten rows each."""
    return flow.slice(range(ROWS), 4).map(lambda row: row * row)


def shuffled(flow: Flow) -> Dataset:
    """The mapped rows, and two groups that read from each producer."""
    return mapped(flow).partition(2).map(lambda row: row + 1)


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_an_executor_dies_at_a_row(
    place: Place, moment: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    fault = place.faults.kill_executor(task=2, **moment)
    assert mapped(place.flow()).collect() == mapped(Flow(INLINE)).collect()
    assert fault.has_happened
    assert place.faults.recomputed() == {f"{PRODUCERS} task 2": 1}
    assert capfd.readouterr().err.count("died: signal SIGKILL") == 1


# This task gets about half of the 40 rows; the exact rows differ from run to run.
@pytest.mark.parametrize("moment", [{"at_row": 0}, {"at_row": 4}, {"at_end": True}], ids=str)
def test_an_executor_dies_that_reads_of_others(place: Place, moment: dict[str, Any]) -> None:
    """The reader's input is still at the agents and is not computed again."""
    fault = place.faults.kill_executor(step="Map4", task=1, **moment)
    assert sorted(shuffled(place.flow()).collect()) == sorted(shuffled(Flow(INLINE)).collect())
    assert fault.has_happened
    assert place.faults.recomputed() == {f"{CONSUMERS} task 1": 1}


def test_executors_die_everywhere(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """Each group loses an executor, some groups two: sources, combiners, sorts and merges."""

    def together(flow: Flow) -> Dataset:
        source = flow.source(lambda: range(200), 3).map(lambda row: (row % 10, row))
        return source.reduce_by_key(add).sort(key=lambda pair: -pair[1])

    expected = together(Flow(INLINE)).collect()
    together(place.flow()).collect()
    groups = {(each.steps, each.task) for each in place.faults.attempts()}
    assert len(groups) == 5 and place.faults.recomputed() == {}
    place.faults.reset()
    faults = [
        place.faults.kill_executor(at_row, step=steps.split(">")[-1], task=task)
        for steps, task in groups
        for at_row in ((1, 2) if "Source" in steps else (0,))
    ]
    assert together(place.flow()).collect() == expected
    assert all(fault.has_happened for fault in faults)
    again = place.faults.recomputed()
    # A pipelined reader starts again with its input.
    assert set(again) == {f"{steps} task {task}" for steps, task in groups}
    assert again["Source0 task 0"] == 2
    assert capfd.readouterr().err.count("died: signal SIGKILL") == len(faults)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_three_deaths_are_retried_and_four_are_an_error(place: Place, by: signal.Signals) -> None:
    place.faults.kill_executor(4, task=3, times=3, by=by)
    assert mapped(place.flow()).collect() == mapped(Flow(INLINE)).collect()
    assert place.faults.recomputed() == {f"{PRODUCERS} task 3": 3}
    place.faults.reset()
    place.faults.kill_executor(4, task=3, times=4, by=by)
    with pytest.raises(ExecutorsDied) as failure:
        mapped(place.flow()).collect()
    assert place.faults.recomputed()[f"{PRODUCERS} task 3"] == 3
    text = str(failure.value)
    assert text.startswith("Input0>Map1 (test_executors.py:")
    assert f"task 3 of 4 killed its executor at each of 4 tries: signal {by.name}" in text


def test_processes_of_a_dead_executor_end_too(place: Place, tmp_path: Path) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def start_something(row: int) -> int:
        with suppress(FileNotFoundError):
            writing_end = os.open(fifo, os.O_WRONLY)
            fifo.unlink()  # once
            subprocess.Popen(["/bin/sh", "-c", "echo begun; exec sleep 600"], stdout=writing_end)
        return row

    fault = place.faults.kill_executor(at_end=True)
    assert place.flow().slice([1], 1).map(start_something).collect() == [1]
    assert fault.has_happened
    assert read_to_end(held, within_s=60) == b"begun\n"


def read_to_end(descriptor: int, within_s: float) -> bytes:
    """Return the output of other processes, up to the end of the last writer."""
    deadline = time.monotonic() + within_s
    data = b""
    while select.select([descriptor], [], [], deadline - time.monotonic())[0]:
        piece = os.read(descriptor, 1000)
        if not piece:
            os.close(descriptor)
            return data
        data += piece
    raise AssertionError("somebody has not ended")


def test_a_held_executor_goes_on(place: Place) -> None:
    """A fault armed after the start of an attempt does not apply to the attempt."""
    held = place.faults.hold_executor(2, task=1)
    other = place.faults.hold_executor(at_end=True, task=2)
    run = started(mapped(place.flow()).collect)
    assert held.wait() != other.wait()
    place.faults.kill_executor(3, task=1)
    held.release()
    other.release()
    assert run.result() == mapped(Flow(INLINE)).collect()
    assert place.faults.recomputed() == {}
