"""Fused row steps: one call per row and step, and errors attributed to the right step and row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy import Dataset, Flow
from glowpy.errors import RowError
from glowpy.flow.arguments import call_with_fields
from glowpy.flow.graph import Step
from glowpy.flow.ops.kernel import Batch, RowKind, Stream
from glowpy.flow.ops.memory import MOST_ROWS, BatchSizer
from glowpy.planner.fusion import make_plan
from glowpy.task.compile import FusedSteps, fuse
from glowpy.task.context import Context
from glowpy.task.failure import NO_ROW, StepFailed
from glowpy.task.pipeline import build
from tests.ugly_rows import Point


class RowStep(NamedTuple):
    """A row step that the test can also apply by itself."""

    kind: RowKind
    function: Callable[..., Any]


def dataset_of(row_steps: Iterable[RowStep]) -> Dataset:
    dataset = Flow(["-glow.inline"]).slice([])
    for kind, function in row_steps:
        dataset = getattr(dataset, kind.value)(function)
    return dataset


def steps_of(row_steps: Iterable[RowStep]) -> list[Step]:
    return dataset_of(row_steps)._graph.steps[1:]


def run_fused(fused: FusedSteps, rows: Batch, rows_at_a_time: int = 16) -> Batch:
    """The output of fused steps for these rows."""
    sizer = BatchSizer(1 << 20, rows=rows_at_a_time)
    return [row for batch in fused.run(sizer.resize(iter([rows])), sizer) for row in batch]


def one_after_another(row_steps: Sequence[RowStep], rows: Batch) -> Batch:
    """The expected output: apply step after step to all rows."""
    for kind, function in row_steps:
        if kind is RowKind.MAP:
            rows = [function(row) for row in rows]
        elif kind is RowKind.FILTER:
            rows = [row for row in rows if function(row)]
        elif kind is RowKind.KEY_BY:
            rows = [(function(row), row) for row in rows]
        elif kind is RowKind.MAP_VALUES:
            rows = [(key, function(value)) for key, value in rows]
        else:
            rows = [each for row in rows for each in function(row)]
    return rows


def as_generator(number: int) -> Iterable[int]:
    yield number
    yield number * 2


ROW_STEPS = [
    RowStep(RowKind.MAP, lambda number: number * 3 + 1),
    RowStep(RowKind.MAP, lambda number: number // 2),
    RowStep(RowKind.FILTER, lambda number: number % 2),
    RowStep(RowKind.FILTER, lambda number: number > 0 and "yes"),
    RowStep(RowKind.FLAT_MAP, lambda number: [number] * (number % 3)),
    RowStep(RowKind.FLAT_MAP, as_generator),
]
chains = st.lists(st.sampled_from(ROW_STEPS), min_size=1, max_size=7)
batches = st.lists(st.integers(-9, 9), max_size=9)


@given(chains, batches, st.integers(1, 9))
def test_fused_steps_do_what_they_do_one_after_another(
    row_steps: list[RowStep], rows: Batch, rows_at_a_time: int
) -> None:
    before = list(rows)
    fused = fuse(steps_of(row_steps))
    assert run_fused(fused, rows, rows_at_a_time) == one_after_another(row_steps, rows)
    assert rows == before
    assert run_fused(fused, []) == []


@given(chains, batches)
def test_each_function_is_called_once_for_each_row(row_steps: list[RowStep], rows: Batch) -> None:
    calls: list[tuple[int, int]] = []
    expected: list[tuple[int, int]] = []

    def counted(number: int, step: RowStep, log: list[tuple[int, int]]) -> RowStep:
        def function(row: int) -> Any:
            log.append((number, row))
            return step.function(row)

        return RowStep(step.kind, function)

    run_fused(fuse(steps_of(counted(n, step, calls) for n, step in enumerate(row_steps))), rows)
    one_after_another([counted(n, step, expected) for n, step in enumerate(row_steps)], rows)
    assert Counter(calls) == Counter(expected)


@given(chains, chains, batches)
def test_keys_and_values(before: list[RowStep], behind: list[RowStep], rows: Batch) -> None:
    in_between = [
        RowStep(RowKind.KEY_BY, lambda number: number % 3),
        RowStep(RowKind.MAP_VALUES, lambda number: number + 1),
        RowStep(RowKind.FLAT_MAP, lambda pair: pair),
    ]
    row_steps = [*before, *in_between, *behind]
    assert run_all(row_steps, rows) == one_after_another(row_steps, rows)


def test_values_of_lists_and_fields_of_values() -> None:
    fused = fuse(steps_of([RowStep(RowKind.MAP_VALUES, lambda a, b: a + b)]))
    assert run_fused(fused, [["x", (1, 2)], ("y", [3, 4])]) == [("x", 3), ("y", 7)]


@pytest.mark.parametrize("row", [1, "ab", (1,), (1, 2, 3), [], None, {1: 2, 3: 4}])
def test_a_row_that_is_no_pair_has_no_value(row: Any) -> None:
    fused = fuse(steps_of([RowStep(RowKind.MAP_VALUES, str)]))
    with pytest.raises(RowError, match=r"map_values needs rows of \(key, value\), but got"):
        run_fused(fused, [row])


# --- fields --------------------------------------------------------------------------------------


class Triple(NamedTuple):
    a: int
    b: int
    c: int


@pytest.mark.parametrize("row", [(1, 2), [1, 2], Point(1, 2)], ids=repr)
def test_two_parameters_get_the_fields_of_a_pair(row: Any) -> None:
    fused = fuse(steps_of([RowStep(RowKind.MAP, lambda x, y: (y, x))]))
    assert run_fused(fused, [row, row]) == [(2, 1), (2, 1)]


def test_fields_in_every_kind_of_step() -> None:
    row_steps = [
        RowStep(RowKind.FILTER, lambda a, b, c: a < b < c),
        RowStep(RowKind.FLAT_MAP, lambda a, b, c: [(a, b), (b, c)]),
        RowStep(RowKind.MAP, lambda x, y: x - y),
    ]
    rows = [(1, 2, 4), (3, 1, 2), Triple(5, 6, 7)]
    assert run_fused(fuse(steps_of(row_steps)), rows) == [-1, -2, -1, -1]


@pytest.mark.parametrize("row", [(1,), (1, 2, 3), [1], "ab", None, {1: 2, 3: 4}, 7], ids=repr)
def test_a_row_of_another_shape_is_shown_with_the_function(row: Any) -> None:
    def add(left: int, right: int) -> int:
        return left + right

    with pytest.raises(RowError, match=r"add has 2 parameters and gets the fields") as failure:
        run_fused(fuse(steps_of([RowStep(RowKind.MAP, add)])), [(1, 2), row])
    assert f"tuple or list of 2, but the row is {row!r}" in str(failure.value)
    with pytest.raises(RowError):
        call_with_fields(add, 2, row)


# --- blame ---------------------------------------------------------------------------------------


class Refused(Exception):
    pass


def blamed(row_steps: Sequence[RowStep], rows: Batch) -> tuple[int, Any, str]:
    """Number of the step that failed, its input row, and the name of the raised exception."""
    fused = fuse(steps_of(row_steps))
    try:
        run_fused(fused, rows)
    except BaseException as exc:  # noqa: BLE001
        found = fused.blame(exc.__traceback__)
        assert found is not None
        return fused.steps.index(found[0]), found[1], type(exc).__name__
    pytest.fail("nothing was raised")


def refuse_seven(row: int) -> Any:
    if row == 7:
        raise Refused
    return True


def refuse_seven_late(row: int) -> Iterable[int]:
    yield row
    if row == 7:
        raise Refused


def iterate_badly(row: int) -> Any:
    return [row] if row != 7 else 7


class Undecided:
    def __bool__(self) -> bool:
        raise Refused


BREAKERS = [
    (RowStep(RowKind.MAP, lambda row: refuse_seven(row) and row), "Refused"),
    (RowStep(RowKind.FILTER, refuse_seven), "Refused"),
    (RowStep(RowKind.FILTER, lambda row: Undecided() if row == 7 else True), "Refused"),
    (RowStep(RowKind.FLAT_MAP, lambda row: refuse_seven(row) and [row]), "Refused"),
    (RowStep(RowKind.FLAT_MAP, refuse_seven_late), "Refused"),
    (RowStep(RowKind.FLAT_MAP, iterate_badly), "RowError"),
]
KEEPERS = [
    RowStep(RowKind.MAP, lambda row: row),
    RowStep(RowKind.FILTER, lambda row: True),
    RowStep(RowKind.FLAT_MAP, lambda row: [row]),
    RowStep(RowKind.FLAT_MAP, lambda row: iter([row])),
]
keepers = st.lists(st.sampled_from(KEEPERS), max_size=3)


@given(before=keepers, breaker=st.sampled_from(BREAKERS), after=keepers)
def test_the_step_that_raised_is_blamed_with_its_row(
    before: list[RowStep], breaker: tuple[RowStep, str], after: list[RowStep]
) -> None:
    step, error = breaker
    found = blamed([*before, step, *after], [1, 2, 7, 8])
    assert found == (len(before), 7, error)


def test_an_error_names_the_step_and_its_input_row() -> None:
    row_steps = [
        RowStep(RowKind.MAP, lambda row: (row, row + 1)),
        RowStep(RowKind.FLAT_MAP, lambda x, y: [x, y]),
        RowStep(RowKind.FILTER, lambda row: row % 2),
        RowStep(RowKind.MAP, lambda row: 1 // (row - 5)),
    ]
    assert blamed(row_steps, [2, 4]) == (3, 5, "ZeroDivisionError")
    assert blamed(row_steps, [2, "x"]) == (0, "x", "TypeError")
    row_steps[2] = RowStep(RowKind.FILTER, lambda row: row.nothing)
    assert blamed(row_steps, [2]) == (2, 2, "AttributeError")
    row_steps[1] = RowStep(RowKind.FLAT_MAP, lambda x, y, z: [x])
    assert blamed(row_steps, [2]) == (1, (2, 3), "RowError")


def test_an_error_below_the_users_function_is_still_that_steps() -> None:
    def outer(row: Any) -> Any:
        return list(map(inner, [row]))

    def inner(row: Any) -> Any:
        return run_fused(fuse(steps_of([RowStep(RowKind.MAP, int)])), [row])

    fused = fuse(steps_of([RowStep(RowKind.FILTER, bool), RowStep(RowKind.MAP, outer)]))
    assert run_fused(fused, ["1"]) == [[[1]]]
    with pytest.raises(ValueError, match="invalid literal") as failure:
        run_fused(fused, ["x"])
    assert fused.blame(failure.value.__traceback__) == (fused.steps[1], "x")


def test_no_step_is_blamed_for_an_error_from_elsewhere() -> None:
    fused = fuse(steps_of([RowStep(RowKind.MAP, int)]))
    with pytest.raises(ZeroDivisionError) as failure:
        print(1 // 0)
    assert fused.blame(failure.value.__traceback__) is None
    assert fused.blame(None) is None


# --- long chains ---------------------------------------------------------------------------------


def stream_of(row_steps: Sequence[RowStep], rows: Batch) -> Stream:
    """The output stream of a task for these rows and a chain of any length."""
    dataset = dataset_of(row_steps)
    (step_group,) = make_plan(dataset._graph, [dataset._node], stored=True).step_groups
    context = Context(0, 1, 1 << 20, "no directory")
    return build(step_group, context, [[iter([rows])]], {})


def run_all(row_steps: Sequence[RowStep], rows: Batch) -> Batch:
    return [row for batch in stream_of(row_steps, rows) for row in batch]


@pytest.mark.parametrize("kind", list(RowKind))
@pytest.mark.parametrize("length", [15, 16, 17, 33, 300])
def test_chains_longer_than_python_can_nest(kind: RowKind, length: int) -> None:
    function = {
        RowKind.MAP: lambda row: row + 1,
        RowKind.FILTER: lambda row: row < 2,
        RowKind.FLAT_MAP: lambda row: [row],
        RowKind.KEY_BY: lambda row: 1,
        RowKind.MAP_VALUES: lambda value: value + 1,
    }[kind]
    row_steps = [RowStep(kind, function)] * length
    rows: Batch = [(0, 0), (1, 1)] if kind is RowKind.MAP_VALUES else [0, 1, 2]
    assert run_all(row_steps, rows) == one_after_another(row_steps, rows)


@pytest.mark.parametrize("place", [0, 15, 16, 17, 40])
def test_blame_in_a_long_chain(place: int) -> None:
    row_steps = [RowStep(RowKind.FLAT_MAP, lambda row: [row])] * 41
    row_steps[place] = RowStep(RowKind.FLAT_MAP, refuse_seven_late)
    with pytest.raises(StepFailed) as failure:
        run_all(row_steps, [1, 7])
    assert failure.value.step.label == f"FlatMap{place + 1}"
    assert failure.value.row == 7 and failure.value.row is not NO_ROW
    assert isinstance(failure.value.cause, Refused)


# --- many rows, large rows -----------------------------------------------------------------------


def test_a_row_that_becomes_many_is_given_on_in_batches() -> None:
    made: list[int] = []

    def count_up(end: int) -> Iterable[int]:
        for number in range(end):
            made.append(number)
            yield number

    stream = stream_of([RowStep(RowKind.FLAT_MAP, count_up)], [1_000_000_000])
    assert next(stream) == list(range(16))
    for _ in range(20):
        batch = next(stream)
        assert batch[-1] == made[-1], "no more is taken than is given on"
    assert len(batch) == MOST_ROWS


@pytest.mark.parametrize("kind", [RowKind.MAP, RowKind.FLAT_MAP])
def test_large_rows_are_given_on_in_small_batches(kind: RowKind) -> None:
    def inflate(row: int) -> Any:
        large = bytes(row)
        return large if kind is RowKind.MAP else iter([large])

    sizes = [1] * 20_000 + [1 << 20] * 40_000
    batches = stream_of([RowStep(kind, inflate)], sizes)
    lengths = [len(batch) for batch in islice(batches, 40) if len(batch[-1]) > 1]
    assert lengths[-1] <= 2 and len(lengths) > 10
    assert sum(lengths) < 10_000


def test_a_long_list_is_given_on_in_batches() -> None:
    row_steps = [RowStep(RowKind.FLAT_MAP, lambda row: list(range(row)))]
    batches = list(stream_of(row_steps, [100_000]))
    assert max(map(len, batches)) <= 2 * MOST_ROWS
    assert [row for batch in batches for row in batch] == list(range(100_000))
