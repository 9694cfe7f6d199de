"""The consumers of fused loops: error attribution, call counts, and the number of buffered rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy import Dataset, Flow
from glowpy.flow.graph import Step
from glowpy.flow.ops.kernel import Batch, Stream
from glowpy.flow.ops.memory import MOST_ROWS, BatchSizer
from glowpy.planner.fusion import make_plan
from glowpy.task.compile import fuse
from glowpy.task.context import Context
from glowpy.task.failure import StepFailed
from glowpy.task.pipeline import build

Shape = Callable[[Dataset], Dataset]


def keep_larger(x: Any, y: Any) -> Any:
    return max(x, y)


# Possible consumers of rows, with the expected output.
ENDS: dict[str, tuple[Shape, Callable[[Batch], Batch]]] = {
    "rows": (lambda rows: rows, list),
    "map": (lambda rows: rows.map(lambda row: row + 1), lambda rows: [row + 1 for row in rows]),
    "reduce": (lambda rows: rows.local_reduce(keep_larger), lambda rows: [max(rows)]),
    "reduce_by_key": (
        lambda rows: rows.map(lambda row: (row % 3, row)).local_reduce_by_key(keep_larger),
        lambda rows: [
            (key, max(row for row in rows if row % 3 == key))
            for key in sorted({r % 3 for r in rows})
        ],
    ),
}
# The same rows in other containers. Only lists have a length before they are read.
FORMS: list[Callable[[Batch], Iterable[Any]]] = [
    list,
    tuple,
    iter,
    lambda rows: (row for row in rows),
    lambda rows: dict.fromkeys(rows),
]
ends = pytest.mark.parametrize("end", list(ENDS))
forms = pytest.mark.parametrize("form", FORMS, ids=["list", "tuple", "iter", "generator", "dict"])


def stream_of(shape: Shape, batches: Iterable[Batch], budget_bytes: int = 1 << 20) -> Stream:
    """The output stream of a task for these rows."""
    dataset = shape(Flow(["-glow.inline"]).slice([]))
    (step_group,) = make_plan(dataset._graph, [dataset._node], stored=True).step_groups
    context = Context(0, 1, budget_bytes, "no directory")
    return build(step_group, context, [[iter(batches)]], {})


def failure_of(shape: Shape, rows: Batch) -> StepFailed:
    with pytest.raises(StepFailed) as failure:
        for _ in stream_of(shape, [rows]):
            pass
    return failure.value


class Refused(Exception):
    pass


def refuse(*_anything: Any) -> Any:
    raise Refused


# --- the same rows in every form -----------------------------------------------------------------


@ends
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=30),
    first=st.sampled_from(FORMS),
    second=st.sampled_from(FORMS),
)
def test_rows_come_once_each_in_order(
    end: str, counts: list[int], first: Callable[..., Any], second: Callable[..., Any]
) -> None:
    shape, meaning = ENDS[end]
    calls: list[int] = []

    def count_up(count: int) -> Any:
        calls.append(count)
        return first(range(count))

    batches = stream_of(
        lambda rows: shape(rows.flat_map(count_up).flat_map(lambda n: second([n, n + 100]))),
        [counts, counts],
    )
    found = [row for batch in batches for row in batch]
    made = [n + more for count in counts * 2 for n in range(count) for more in (0, 100)]
    assert found == (meaning(made) if made else [])
    assert calls == counts * 2


# --- attribution of errors ----------------------------------------------------------------------

# Steps that return each row unchanged; any of them may stand before and behind the failing step.
BY: dict[str, Shape] = {
    "map": lambda rows: rows.map(lambda row: row),
    "filter": lambda rows: rows.filter(lambda row: True),
    "flat_map to a list": lambda rows: rows.flat_map(lambda row: [row]),
    "flat_map to a generator": lambda rows: rows.flat_map(lambda row: (each for each in [row])),
}


def refuse_seven(row: int) -> int:
    return refuse() if row == 7 else row


def refuse_within(row: int) -> Iterator[int]:
    yield row
    if row == 7:
        raise Refused


class RefusesToBegin:
    def __iter__(self) -> Iterator[int]:
        raise Refused


FAILING: dict[str, Shape] = {
    "map": lambda rows: rows.map(refuse_seven),
    "filter": lambda rows: rows.filter(refuse_seven),
    "flat_map": lambda rows: rows.flat_map(lambda row: [refuse_seven(row)]),
    "flat_map within": lambda rows: rows.flat_map(refuse_within),
    "flat_map to map": lambda rows: rows.flat_map(lambda row: map(refuse_seven, [row])),
    "flat_map beginning": lambda rows: rows.flat_map(
        lambda row: RefusesToBegin() if row == 7 else [row]
    ),
}


@pytest.mark.slow
@ends
@pytest.mark.parametrize("failing", list(FAILING))
@given(
    before=st.lists(st.sampled_from(list(BY)), max_size=3),
    behind=st.lists(st.sampled_from(list(BY)), max_size=3),
    long=st.booleans(),
)
def test_the_step_that_raised_is_named_with_its_row(
    end: str, failing: str, before: list[str], behind: list[str], long: bool
) -> None:
    """At any position of the step, in any loop; the first batches have little room."""

    def shape(rows: Dataset) -> Dataset:
        if long:
            rows = rows.flat_map(lambda row: list(range(100, 120)) + [row])
        for name in before:
            rows = BY[name](rows)
        rows = FAILING[failing](rows)
        for name in behind:
            rows = BY[name](rows)
        return ENDS[end][0](rows)

    failure = failure_of(shape, [1, 2, 7, 8])
    assert failure.step.id == 1 + long + len(before)
    assert failure.row == 7
    assert isinstance(failure.cause, Refused)


@forms
def test_a_fold_blames_the_row_that_it_got(form: Callable[..., Any]) -> None:
    def spread(rows: Dataset) -> Dataset:
        return rows.flat_map(lambda row: form([row, row + 1]))

    failure = failure_of(lambda rows: spread(rows).local_reduce(refuse), [5])
    assert (failure.step.id, failure.row) == (2, 6)
    failure = failure_of(
        lambda rows: spread(rows).key_by(lambda row: "k").local_reduce_by_key(refuse), [5]
    )
    assert (failure.step.id, failure.row) == (3, ("k", 6))
    failure = failure_of(lambda rows: spread(rows).local_reduce_by_key(refuse), [5])
    assert (failure.step.id, failure.row) == (2, 5)
    assert "reduce_by_key needs rows of (key, value), but got 5" in str(failure.cause)


@ends
@pytest.mark.parametrize("result", [None, 7, 0.5, len])
@pytest.mark.parametrize("behind", [False, True], ids=["last", "with another behind"])
def test_a_result_that_is_no_iterable_is_an_error(end: str, result: Any, behind: bool) -> None:
    def shape(rows: Dataset) -> Dataset:
        rows = rows.flat_map(lambda row: result if row == 7 else [row])
        if behind:
            rows = rows.flat_map(lambda row: [row])
        return ENDS[end][0](rows)

    failure = failure_of(shape, [1, 7])
    assert (failure.step.id, failure.row) == (1, 7)
    assert "flat_map() needs an iterable of rows from its function, but got" in str(failure.cause)


@ends
@forms
@pytest.mark.parametrize("kind", ["map", "filter", "flat_map", "key_by"])
def test_a_users_stop_iteration_ends_nothing(end: str, form: Callable[..., Any], kind: str) -> None:
    def stop(row: int) -> Any:
        if row == 7:
            raise StopIteration("end")
        return row

    failure = failure_of(
        lambda rows: ENDS[end][0](
            getattr(rows.flat_map(lambda row: form([row])), kind)(
                stop if kind != "flat_map" else lambda row: [stop(row)]
            ).flat_map(lambda row: [7 if kind == "key_by" else row])
        ),
        [1, 7, 8],
    )
    assert (failure.step.id, failure.row) == (2, 7)
    assert isinstance(failure.cause, StopIteration)


# --- how many rows are held ----------------------------------------------------------------------


@forms
def test_batches_are_never_longer_than_is_due(form: Callable[..., Any]) -> None:
    batches = stream_of(
        lambda rows: rows.flat_map(lambda count: form(range(count))), [[5, 20_000, 0, 7, 30_000]]
    )
    lengths = [len(batch) for batch in batches]
    assert sum(lengths) == 50_012
    assert lengths[0] <= 16 and max(lengths) == MOST_ROWS


def numbers(made: list[int]) -> Iterator[int]:
    """More rows than memory can hold; `made` lists the consumed rows."""
    for number in range(1_000_000_000):
        made.append(number)
        yield number


@pytest.mark.parametrize("behind", [0, 1, 2])
def test_no_flat_map_computes_more_rows_than_are_read(behind: int) -> None:
    made: list[int] = []

    def shape(rows: Dataset) -> Dataset:
        rows = rows.flat_map(lambda row: numbers(made))
        for _ in range(behind):
            rows = rows.flat_map(lambda row: [row])
        return rows

    given_on = 0
    for batch in islice(stream_of(shape, [[0]]), 20):
        given_on += len(batch)
        assert len(made) == given_on


@pytest.mark.parametrize("behind", [0, 1])
def test_a_table_can_be_measured_in_the_midst_of_a_row(behind: int) -> None:
    made: list[int] = []

    def shape(rows: Dataset) -> Dataset:
        rows = rows.flat_map(lambda row: numbers(made))
        for _ in range(behind):
            rows = rows.flat_map(lambda row: [row])
        return rows.map(lambda number: (number % 10, 1)).local_reduce_by_key(lambda x, y: x + y)

    totals: dict[int, int] = {}
    pace = BatchSizer(1 << 20, rows=16)
    for pauses, _pause in enumerate(islice(fuse(steps_of(shape)).run([[0]], pace, totals), 5), 1):
        assert sum(totals.values()) == len(made) == 16 * pauses


def test_long_lists_let_a_table_be_measured_too() -> None:
    totals: dict[int, int] = {}
    steps = steps_of(
        lambda rows: rows.flat_map(
            lambda count: [(n, 1) for n in range(count)]
        ).local_reduce_by_key(lambda x, y: x + y)
    )
    seen = []
    for _pause in fuse(steps).run([[10, 3, 1000]], BatchSizer(1 << 20, rows=16), totals):
        seen.append(sum(totals.values()))
    assert seen[0] == 16
    assert max(later - sooner for sooner, later in pairwise(seen)) == 16
    assert sum(totals.values()) == 1013


def steps_of(shape: Shape) -> list[Step]:
    return shape(Flow(["-glow.inline"]).slice([]))._graph.steps[1:]
