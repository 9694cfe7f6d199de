"""Rows arrive with equal values and types, on every runner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from glowpy.errors import RowError, TaskFailed
from tests.batch import in_one_run
from tests.parameter_ids import stable_id
from tests.runners import Runner
from tests.ugly_rows import UGLY, same


def test_rows_come_back_equal_and_of_the_same_type(new_flow: Runner) -> None:
    for shards in (1, 4):
        rows = new_flow().slice(UGLY, shards).map(lambda row: row).collect()
        assert len(rows) == len(UGLY)
        different = [(a, b) for a, b in zip(UGLY, rows, strict=True) if not same(a, b)]
        assert different == []


@pytest.mark.parametrize("row", UGLY, ids=stable_id)
def test_a_row_comes_back_the_same_alone_in_a_tuple_and_across_shards(row: Any) -> None:
    flow = Runner("inline", ("-glow.inline",))()
    rows = [row, (row, row), [row], {"k": row}]
    for dataset in (flow.slice(rows, 2), flow.source(lambda: rows, 1).reduce(lambda x, y: y)):
        found = dataset.map(lambda each: each).collect()
        assert same(found, rows if len(found) > 1 else rows[-1:])


def test_rows_of_classes_that_no_module_holds(new_flow: Runner) -> None:
    @dataclass
    class Local:
        number: int

    rows = new_flow().slice([1, 2], 2).map(Local).map(lambda row: (row, row.number)).collect()
    assert [number for _, number in rows] == [1, 2]
    assert [row.number for row, _ in rows] == [1, 2]
    assert {type(row).__name__ for row, _ in rows} == {"Local"}


def test_functions_keep_their_closures_defaults_and_state(new_flow: Runner) -> None:
    offset = 10

    class Adder:
        def __init__(self, number: int) -> None:
            self.number = number

        def __call__(self, row: int) -> int:
            return row + self.number

        def twice(self, row: int) -> int:
            return row + 2 * self.number

    dataset = new_flow().slice([1, 2], 2).map(lambda row: row + offset).map(Adder(100))
    assert dataset.map(Adder(1000).twice).collect() == [2111, 2112]


@pytest.mark.parametrize("last", ["collect", "take"])
def test_a_row_of_a_slice_that_cannot_travel_is_shown(new_flow: Runner, last: str) -> None:
    """The driver checks its own rows before the run; `take` pulls several step groups as one."""
    flow = new_flow()
    dataset = flow.slice([1, (each for each in "abc")], 2).union(flow.slice([2])).partition(2)
    with pytest.raises(RowError) as failure:
        dataset.take(1) if last == "take" else dataset.collect()
    said = r"Input0 \(test_rows\.py:\d+\), a slice: row <generator .*> cannot be pickled: TypeError"
    assert re.match(said, str(failure.value))


def test_a_row_that_cannot_travel_is_shown(new_flow: Runner) -> None:
    dataset = new_flow().slice([1]).map(lambda row: (row, (n for n in [1])))
    with pytest.raises(TaskFailed, match=r"row \(1, <generator .* cannot be pickled") as failure:
        dataset.collect()
    assert "Map1" in str(failure.value)


test_in_one_run = in_one_run()
