"""Results of runs that are kept for tasks of later ones: as they were, and within bounds."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from glowpy.driver import recording
from glowpy.driver.recording import Recorded, record
from glowpy.errors import ProgramError


def test_a_result_is_kept_as_it_was() -> None:
    recorded: Recorded = {}
    rows: list[Any] = [[1], "a", b"x" * 200_000]
    record(recorded, 3, rows)
    rows.append("later")
    rows[0].append(2)
    kept = recorded[3]
    assert isinstance(kept, bytes)
    assert pickle.loads(kept) == [[1], "a", b"x" * 200_000]


def test_results_together_take_no_more_than_may_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_RECORDED_BYTES", 3 << 20)
    recorded: Recorded = {}
    for number in range(1, 6):
        record(recorded, number, bytes(1 << 20))
    kept = [isinstance(each, bytes) for each in recorded.values()]
    assert kept == [True, True, False, False, False]
    assert "are more than 3 MB, and a task needs them" in str(recorded[3])
    record(recorded, 6, "small")
    assert isinstance(recorded[6], bytes)


def test_a_result_that_cannot_be_pickled_is_told_when_it_is_needed() -> None:
    recorded: Recorded = {}
    record(recorded, 2, [threading.Lock()])
    error = recorded[2]
    assert isinstance(error, ProgramError)
    assert "the result of run 2 cannot be pickled" in str(error)
    assert "glowpy.ready()" in str(error)
