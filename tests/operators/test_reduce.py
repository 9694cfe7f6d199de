"""reduce, on every runner."""

from __future__ import annotations

from operator import add

import pytest

from tests.batch import in_one_run
from tests.operators.shards import WORDS
from tests.runners import Runner


@pytest.mark.parametrize("shards", [1, 2, 5, 13])
def test_reduce_folds_all_rows_in_row_order(new_flow: Runner, shards: int) -> None:
    assert new_flow().slice(WORDS, shards).reduce(add).collect() == ["".join(WORDS)]


def test_reduce_of_nothing_is_nothing_and_of_one_row_is_that_row(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 3).reduce(add).collect() == []
    assert flow.slice(range(9), 3).filter(lambda x: x < 0).reduce(add).collect() == []
    assert flow.slice([None], 3).reduce(lambda x, y: "never called").collect() == [None]


def test_reduce_counts_none_as_a_row(new_flow: Runner) -> None:
    rows = [None, 1, None]
    dataset = new_flow().slice(rows, 1).reduce(lambda x, y: (x, y))
    assert dataset.collect() == [((None, 1), None)]


def test_reduce_takes_builtins_without_a_signature(new_flow: Runner) -> None:
    assert new_flow().slice([3, 9, 4], 2).reduce(max).collect() == [9]


test_in_one_run = in_one_run()
