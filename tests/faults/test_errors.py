"""Errors that end a run: at the first attempt if deterministic, else after four."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from glowpy.errors import ExecutorsDied, TaskFailed
from glowpy.testing import Faults
from tests.faults.place import Place

pytestmark = pytest.mark.slow


def tries(faults: Faults) -> int:
    """Number of attempts of the failing group."""
    return len([each for each in faults.attempts() if each.task == 1])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda row: 1 // (row - 7), r"ZeroDivisionError: [\s\S]*row: 7\n"),
        (lambda row: sys.exit(3) if row == 7 else row, r"sys\.exit\(3\)[\s\S]*row: 7\n"),
        (lambda row: threading.Lock() if row == 7 else row, r"cannot pickle '_thread\.lock'"),
    ],
    ids=["exception", "sys.exit", "unpicklable row"],
)
def test_errors_of_user_code_are_reported_at_once(
    place: Place, act: Callable[[int], Any], words: str
) -> None:
    with pytest.raises(TaskFailed, match=words):
        place.flow().slice(range(10), 2).map(act).collect()
    assert tries(place.faults) == 1


def _read_nowhere() -> None:
    """Cause a segmentation fault; pytest's fault handler, inherited by a fork, would report it."""
    faulthandler.disable()
    ctypes.string_at(0)


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (lambda: os._exit(3), "exit status 3"),
        (_read_nowhere, "signal SIGSEGV"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "signal SIGTERM"),
    ],
    ids=["os._exit", "segfault", "SIGKILL", "SIGTERM"],
)
def test_a_row_that_kills_its_executor_at_each_try_is_named(
    place: Place, act: Callable[[], Any], cause: str
) -> None:
    """A poison row: the last attempt processes row by row."""
    flow = place.flow("-glow.quiet")
    rows = flow.slice([f"row {number}" for number in range(1000)], 2).map(str.upper)
    poisoned = rows.map(lambda row: act() if row == "ROW 777" else row)
    with pytest.raises(ExecutorsDied) as failure:
        poisoned.collect()
    text = str(failure.value)
    assert re.match(r"Input0>Map1>Map2 \(test_errors\.py:\d+.*\) task 1 of 2 killed its ex", text)
    assert f"at each of 4 tries: {cause}" in text
    assert text.endswith("\nthe last row that it took: 'row 777'")
    assert tries(place.faults) == 4


def test_an_executor_that_takes_too_much_memory_is_named(place: Place) -> None:
    """The agent's error has the memory used, the limit, and the last row."""

    def growing(row: int) -> int:
        held = []
        while row == 7:
            held.append(os.urandom(1 << 20) * 16)
        return row

    with pytest.raises(ExecutorsDied) as failure:
        place.flow("-glow.quiet").slice(range(10), 2).map(growing).collect()
    text = str(failure.value)
    assert re.search(
        r"killed by its agent: it took \d+ MB of memory, more than its hard limit", text
    )
    assert text.endswith("\nthe last row that it took: 7")
    assert tries(place.faults) == 4


def test_no_row_is_named_without_a_current_row(place: Place) -> None:
    place.faults.kill_executor(at_end=True, task=0, times=4)
    with pytest.raises(ExecutorsDied, match=r"4 tries: signal SIGKILL[^\n]*$"):
        place.flow("-glow.quiet").slice([1], 2).map(abs).collect()


def test_the_row_is_the_one_that_a_later_step_dies_of(place: Place) -> None:
    """A reducer dies at a row from a shuffle; the error names the reducer's row."""

    def add(left: int, right: int) -> int:
        if right == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return left + right

    rows = place.flow("-glow.quiet").slice([1, 2, 13, 4], 4).map(abs)
    with pytest.raises(ExecutorsDied, match=r"MergeReduce.*\nthe last row that it took: 13$"):
        rows.reduce(add).collect()
