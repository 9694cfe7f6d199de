"""Results that are recorded for tasks of later runs: unchanged, and of limited size."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from glowpy.driver import recording
from glowpy.driver.recording import Recorded, record, record_failure
from glowpy.errors import ProgramError, TaskFailed
from glowpy.task.recorded import Missing, recorded_result


def test_a_recorded_result_does_not_change() -> None:
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
    results = [pickle.loads(each) for each in recorded.values()]
    assert [type(each) for each in results] == [bytes, bytes, Missing, Missing, Missing]
    with pytest.raises(ProgramError, match=r"run 3 .* take more than 3 MB; keep large results in"):
        len(results[2])
    record(recorded, 6, "small")
    assert pickle.loads(recorded[6]) == "small"


class Held:
    """A row that cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def test_a_result_that_cannot_be_pickled_raises_where_it_is_used() -> None:
    recorded: Recorded = {}
    record(recorded, 2, [1, Held()])
    line = sys._getframe().f_lineno - 1
    missing = pickle.loads(recorded[2])
    assert str(missing) == f"{missing}" == "<a result that was not sent to this task>"
    assert copy.copy(missing) is not None
    uses: list[Callable[[Any], Any]] = [
        *(bool, len, list, sorted, sum, hash, int, float, dict, tuple),
        *(lambda it: it[0], lambda it: 1 in it, lambda it: it + [1], lambda it: 2 * it),
        *(lambda it: it == [], lambda it: it < 3, lambda it: it.append(1), lambda it: it.x),
    ]
    for use in uses:
        with pytest.raises(ProgramError) as failure:
            use(missing)
        text = str(failure.value)
        assert f"the result of run 2 (test_recording.py:{line}) was not sent to this task" in text
        assert "its row <" in text
        assert f"of class {Held.__module__}.Held cannot be pickled (TypeError: " in text
        assert text.endswith("let tasks end above the line that uses it, by glowpy.ready()")


def test_rows_of_a_local_class_are_rows_of_that_class_again() -> None:
    @dataclass
    class Point:
        x: int

    recorded: Recorded = {}
    counts: defaultdict[str, int] = defaultdict(lambda: 7)
    record(recorded, 1, [Point(1), counts])
    point, made = pickle.loads(recorded[1])
    assert type(point) is Point and point == Point(1) and made["new"] == 7


def test_errors_of_a_recorded_run_are_raised_with_their_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = TaskFailed("it failed")
    error.__cause__ = KeyError("why")
    recorded: Recorded = {}
    record_failure(recorded, 1, error)
    error.__cause__ = OSError(threading.Lock())  # an error that cannot be pickled
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
