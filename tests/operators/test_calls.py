"""Every runner calls a user's function exactly once for each row, or pair of values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset
from glowpy.errors import TaskFailed
from tests.runners import ON_EVERY_RUNNER, Runner

ROWS, KEYS, SHARDS = 3000, 70, 3


class Counted:
    """A function that writes a mark to a file at each call, from every process of this host."""

    def __init__(self, marks: Path, function: Callable[..., Any]) -> None:
        self._marks = str(marks)
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        with open(self._marks, "ab", buffering=0) as file:
            file.write(b"x")
        return self._function(*arguments)


def numbers() -> Iterable[int]:
    return range(ROWS)


def key_of(number: int) -> tuple[int, int]:
    return number % KEYS, number


def add(left: int, right: int) -> int:
    return left + right


def negated(number: int) -> int:
    return -number


Use = Callable[[Dataset, Callable[[Callable[..., Any]], Callable[..., Any]]], Dataset]
USES: dict[str, tuple[Use, int]] = {
    "map": (lambda rows, counted: rows.map(counted(str)), ROWS),
    "filter": (lambda rows, counted: rows.filter(counted(lambda number: number % 2)), ROWS),
    "flat_map": (lambda rows, counted: rows.flat_map(counted(lambda number: [number] * 3)), ROWS),
    "all after flat_map": (
        lambda rows, counted: rows.flat_map(lambda number: [number] * 3).map(counted(str)),
        3 * ROWS,
    ),
    "reduce": (lambda rows, counted: rows.reduce(counted(add)), ROWS - 1),
    "reduce_by_key": (
        lambda rows, counted: rows.map(key_of).reduce_by_key(counted(add)),
        ROWS - KEYS,
    ),
    "sort": (lambda rows, counted: rows.sort(counted(negated)), ROWS),
    "sort, ranges": (lambda rows, counted: rows.sort(counted(negated), shards=3), ROWS),
    "local_sort": (lambda rows, counted: rows.local_sort(counted(negated)), ROWS),
    "merge_sorted": (
        lambda rows, counted: rows.local_sort(negated).merge_sorted(counted(negated)),
        ROWS,
    ),
    "key_by": (lambda rows, counted: rows.key_by(counted(negated)), ROWS),
    "map_values": (lambda rows, counted: rows.map(key_of).map_values(counted(negated)), ROWS),
    "map_partitions": (lambda rows, counted: rows.map_partitions(counted(list)), SHARDS),
    "local_reduce": (lambda rows, counted: rows.local_reduce(counted(add)), ROWS - SHARDS),
    "merge_reduce": (
        lambda rows, counted: rows.local_reduce(add).merge_reduce(counted(add)),
        SHARDS - 1,
    ),
    "reduce_by_key, more shards": (
        lambda rows, counted: rows.map(key_of).reduce_by_key(counted(add), 4),
        ROWS - KEYS,
    ),
    "local_reduce_by_key": (
        lambda rows, counted: rows.map(key_of).local_reduce_by_key(counted(add)),
        ROWS - SHARDS * KEYS,
    ),
    "reduce_by_user_defined_key": (
        lambda rows, counted: rows.map(key_of).reduce_by_user_defined_key(str, counted(add)),
        ROWS - KEYS,
    ),
    "the key of reduce_by_user_defined_key": (
        lambda rows, counted: rows.map(key_of).reduce_by_user_defined_key(counted(str), add),
        ROWS,
    ),
    "before a join": (
        lambda rows, counted: rows.map(key_of).join(rows.map(counted(key_of))),
        ROWS,
    ),
    "before group_by_key": (lambda rows, counted: rows.map(counted(key_of)).group_by_key(), ROWS),
    "before partition": (lambda rows, counted: rows.map(counted(str)).partition(4), ROWS),
}


@ON_EVERY_RUNNER
def test_one_call_for_each_row(new_flow: Runner, tmp_path: Path) -> None:
    """All uses in one run, with a separate source and separate marks for each."""
    flow = new_flow()
    for name, (use, _calls) in USES.items():
        use(flow.source(numbers, SHARDS), partial(Counted, tmp_path / name))
    flow.run()
    found = {name: (tmp_path / name).stat().st_size for name in USES}
    assert found == {name: calls for name, (_use, calls) in USES.items()}


@ON_EVERY_RUNNER
def test_the_key_of_top_is_asked_for_once(new_flow: Runner, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    rows = new_flow().source(numbers, SHARDS)
    assert rows.top(2, Counted(marks, negated)) == [0, 1]
    assert marks.stat().st_size == ROWS


@ON_EVERY_RUNNER
def test_for_each_calls_once_for_each_row(new_flow: Runner, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    new_flow().source(numbers, SHARDS).for_each(Counted(marks, negated))
    assert marks.stat().st_size == ROWS


@ON_EVERY_RUNNER
def test_a_memory_error_is_not_tried_again(new_flow: Runner, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    with pytest.raises(TaskFailed, match=r"Map1 .* failed on .*: MemoryError"):
        new_flow().slice([1 << 60]).map(Counted(marks, bytes)).run()
    assert marks.stat().st_size == 1


@ON_EVERY_RUNNER
def test_a_source_is_called_once(new_flow: Runner, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    assert new_flow().source(Counted(marks, numbers), SHARDS).count() == ROWS
    assert marks.stat().st_size == 1


@ON_EVERY_RUNNER
def test_two_readers_of_a_dataset_do_not_make_it_twice(new_flow: Runner, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    flow = new_flow()
    made = flow.slice(range(ROWS), SHARDS).map(Counted(marks, str))
    made.map(len).reduce(add)
    made.filter(str.isdigit).sort()
    flow.run()
    assert marks.stat().st_size == ROWS
