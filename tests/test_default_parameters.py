"""A parameter with a default gets no field of a row; a note reports rows with enough fields."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from glowpy.driver.view import report
from glowpy.errors import TaskFailed
from glowpy.flow.arguments import fields_with_defaults
from glowpy.task import notes
from tests.runners import ON_EVERY_RUNNER, Runner


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_noted_subjects", set())
    monkeypatch.setattr(notes, "_subjects", set())


@ON_EVERY_RUNNER
def test_rows_that_a_parameter_with_a_default_could_take_apart_are_noted_once(
    new_flow: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    scaled = new_flow().slice([(1, 2), (3, 4)], shards=2).map(lambda pair, scale=2: pair * scale)
    assert scaled.collect() == [(1, 2, 1, 2), (3, 4, 3, 4)]
    assert scaled.count() == 2
    (note,) = [line for line in capsys.readouterr().err.splitlines() if "default" in line]
    assert note == (
        f"glowpy: test_default_parameters.py:{NOTED_LINE}: rows are pairs here, and "
        f"{test_rows_that_a_parameter_with_a_default_could_take_apart_are_noted_once.__name__}"
        ".<locals>.<lambda> gets them whole, as 'pair': a parameter with a default, 'scale', gets "
        "no field. For the fields, leave the default out; for the row, write `pair, *, scale=…`"
    )


@ON_EVERY_RUNNER
def test_a_failure_that_follows_is_not_in_the_way_of_the_note(
    new_flow: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = new_flow().slice([("a", 1)]).map(lambda key, count=0: key.upper() * count)
    with pytest.raises(TaskFailed, match="has no attribute 'upper'"):
        dataset.run()
    assert "gets them whole, as 'key'" in capsys.readouterr().err


@ON_EVERY_RUNNER
def test_other_rows_and_bound_values_are_not_noted(
    new_flow: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    flow, c = new_flow(), 3
    pairs = flow.slice([(1, 2)])
    assert pairs.map(lambda row, c=c: (row, c)).collect() == [((1, 2), 3)]
    assert pairs.map(lambda row, *, scale=2: row * scale).collect() == [(1, 2, 1, 2)]
    assert flow.slice([(1, 2, 3), 4]).map(lambda row, scale=2: row).count() == 2
    assert "default" not in capsys.readouterr().err


def annotated(row: Any, factor: float = -0.5, name: str = "x") -> Any:
    return row, factor, name


def of_several_lines(
    row: Any,
    scale: int = 2,
) -> Any:
    return row, scale


def bound(c: int) -> Callable[..., Any]:
    return lambda row, c=c: (SimpleNamespace(c=1), row)


def computed(words: list[str]) -> Callable[..., Any]:
    return lambda row, length=len(words): (row, length)  # noqa: B008 - the tested case


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        (annotated, 3),
        (of_several_lines, 2),
        (lambda row, text="a, b": row, 2),
        (lambda row=None, other=None: row, 2),
        (bound(3), 0),
        (computed([]), 0),
        (lambda row, get={}.get: row, 0),
        (lambda row, *, scale=2: row, 0),
        (lambda row: row, 0),
        (eval("lambda row, scale=2: row"), 0),  # a function without source code
        (print, 0),
        (str.split, 0),
    ],
)
def test_only_defaults_that_are_written_down_as_values_count(
    function: Callable[..., Any], fields: int
) -> None:
    assert fields_with_defaults(function) == fields


NOTED_LINE = (
    test_rows_that_a_parameter_with_a_default_could_take_apart_are_noted_once.__code__.co_firstlineno
    + 4
)
