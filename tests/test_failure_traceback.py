"""The traceback in a failure: the user's frames of every exception, without glowpy's frames."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset, Flow
from glowpy.errors import TaskFailed

Group: Any = getattr(builtins, "ExceptionGroup", None)
OURS = str(Path(__file__).resolve().parent.parent / "glowpy") + os.sep


def slice_of(*rows: Any) -> Dataset:
    return Flow(["-glow.inline"]).slice(rows)


def failure_text(dataset: Dataset) -> str:
    """The text of the error that ends the run."""
    with pytest.raises(TaskFailed) as failure:
        dataset.run()
    return str(failure.value)


def raising(error: BaseException) -> Callable[[Any], Any]:
    def function(row: Any) -> Any:
        raise error

    return function


def nested(row: Any) -> Any:
    return inner(row)


def inner(row: Any) -> Any:
    try:
        return {}[row]
    except KeyError as exc:
        raise LookupError("outer") from exc


def in_context(row: Any) -> Any:
    try:
        return {}[row]
    except KeyError:
        return int("x")


def assert_only_user_frames(text: str) -> None:
    frames = re.findall(r'File "(.*?)", line \d+, in (\w+)', text)
    assert frames
    assert not [frame for frame in frames if frame[0].startswith((OURS, "<glowpy"))], text


def test_the_traceback_begins_at_the_users_function() -> None:
    text = failure_text(slice_of(7).map(nested))
    assert_only_user_frames(text)
    assert re.findall(r"in (\w+)\n", text) == ["inner", "nested", "inner"]
    assert text.index("KeyError: 7") < text.index("direct cause of the following exception")
    assert text.count("LookupError: outer") == 1
    text = failure_text(slice_of(7).map(in_context))
    assert_only_user_frames(text)
    assert "During handling of the above exception" in text and "ValueError: invalid" in text


def test_our_frames_are_left_out_of_what_stands_behind_an_exception() -> None:
    text = failure_text(slice_of(1).sort(key=raising(StopIteration("end"))))
    assert "RowError" not in text and "RuntimeError" not in text
    assert "StopIteration: end\nrow: " in text
    assert re.findall(r"in (\w+)\n", text) == ["function"]
    assert_only_user_frames(text)


def test_exception_groups_are_shown_whole() -> None:
    if Group is None:
        return  # Python 3.10 has none

    def in_a_group(row: Any) -> Any:
        try:
            nested(row)
        except LookupError as exc:
            raise Group("several", [exc, ValueError("second")]) from None

    text = failure_text(slice_of(7).map(in_a_group))
    assert_only_user_frames(text)
    for words in ("several (2 sub-exceptions)", "KeyError: 7", "LookupError: outer", "second"):
        assert words in text


def test_exceptions_behind_exceptions_may_be_many() -> None:
    def pile_up(row: Any) -> Any:
        error = ValueError("0")
        for number in range(2000):
            try:
                raise ValueError(str(number)) from error
            except ValueError as exc:
                error = exc
        raise error

    text = failure_text(slice_of(7).map(pile_up))
    assert "ValueError: 1999" in text and len(text) < 250_000


def test_a_function_without_python_code_has_no_frames() -> None:
    text = failure_text(slice_of("x").map(int))
    assert text.endswith(": ValueError: invalid literal for int() with base 10: 'x'\nrow: 'x'")


def test_our_own_errors_need_no_traceback() -> None:
    text = failure_text(slice_of((1, 2, 3)).map(lambda x, y: x))
    assert "has 2 parameters" in text and "row: (1, 2, 3)" in text and "Traceback" not in text


def test_endless_recursion_is_short_enough() -> None:
    def again(row: Any) -> Any:
        return again(row)

    text = failure_text(slice_of(7).map(again))
    assert "RecursionError" in text and "times]" in text and len(text) < 20_000
