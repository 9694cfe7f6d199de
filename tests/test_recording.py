"""Results of runs that are kept for tasks of later ones: as they were, and within bounds."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from glowpy.driver import recording
from glowpy.driver.recording import Recorded, record, record_failure
from glowpy.errors import ProgramError, TaskFailed
from glowpy.task.recorded import recorded_result


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


def test_what_a_run_has_raised_is_raised_again_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = TaskFailed("it failed")
    error.__cause__ = KeyError("why")
    recorded: Recorded = {}
    record_failure(recorded, 1, error)
    error.__cause__ = OSError(threading.Lock())  # which cannot travel
    record_failure(recorded, 2, error)
    (tmp_path / "recorded").mkdir()
    for number, kept in recorded.items():
        assert isinstance(kept, bytes)
        (tmp_path / "recorded" / str(number)).write_bytes(kept)
    monkeypatch.setenv("GLOWPY_PROGRAM", str(tmp_path))
    for number, cause in ((1, "KeyError('why')"), (2, "None")):
        for gives_value in (True, False):
            with pytest.raises(TaskFailed, match="it failed") as raised:
                recorded_result(number, gives_value=gives_value)
            assert repr(raised.value.__cause__) == cause
    assert recorded_result(3, gives_value=False) is None
    with pytest.raises(ProgramError, match="the script has reached run 3 in a task"):
        recorded_result(3, gives_value=True)
