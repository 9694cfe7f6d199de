"""Python's counterparts of the comparators that Glow's local steps take as arguments.

Go: flow/dataset_sort.go, flow/dataset_cogroup.go, flow/dataset_join.go, flow/dataset_reduce.go
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

import pytest

from glowpy import Flow
from tests.batch import in_one_run
from tests.runners import Runner

LEFT = [("b", 1), ("A", 2), ("B", 3), ("a", 4)]
RIGHT = [("a", 10), ("C", 20), ("B", 30)]


def folded(key: str, value: Any) -> tuple[str, tuple[str, Any]]:
    """Return the key in a normal form for equality and order, and the row behind the key."""
    return key.lower(), (key, value)


def less(left: tuple[str, int], right: tuple[str, int]) -> bool:
    """A less-than function of rows, like the comparators of Glow's LocalSort and MergeSorted."""
    return left[1] % 3 < right[1] % 3


def compared_rows(left: Any, right: Any) -> int:
    return less(right, left) - less(left, right)


def test_a_less_than_function_orders_rows_as_the_key_that_it_becomes(new_flow: Runner) -> None:
    rows = new_flow().slice(LEFT, 2)
    key = cmp_to_key(compared_rows)
    expected = [("B", 3), ("b", 1), ("a", 4), ("A", 2)]
    assert rows.sort(key=key).collect() == expected
    assert rows.local_sort(key=key).merge_sorted(key=key).collect() == expected


def compared(left: str, right: str) -> int:
    return (left > right) - (left < right)


def test_a_normal_form_of_the_key_does_what_a_comparator_of_keys_does(new_flow: Runner) -> None:
    flow = new_flow()
    left, right = flow.slice(LEFT, 2).map(folded), flow.slice(RIGHT).map(folded)
    assert left.partition(2).local_group_by_key().sort().collect() == [
        ("a", [("A", 2), ("a", 4)]),
        ("b", [("b", 1), ("B", 3)]),
    ]
    sides = left.partition(2), right.partition(2)
    assert sides[0].join_partitioned_sorted(sides[1]).sort().collect() == [
        ("a", ("A", 2), ("a", 10)),
        ("a", ("a", 4), ("a", 10)),
        ("b", ("b", 1), ("B", 30)),
        ("b", ("B", 3), ("B", 30)),
    ]
    assert sides[0].cogroup_partitioned_sorted(sides[1]).sort().collect() == [
        ("a", [("A", 2), ("a", 4)], [("a", 10)]),
        ("b", [("b", 1), ("B", 3)], [("B", 30)]),
        ("c", [], [("C", 20)]),
    ]
    reduced = flow.slice(LEFT, 2).reduce_by_user_defined_key(str.lower, lambda x, y: x + y)
    assert reduced.collect() == [("A", 6), ("b", 4)]


def test_a_comparator_is_no_argument_of_the_local_steps() -> None:
    flow = Flow(["-glow.inline"])
    left: Any = flow.slice(LEFT).partition(2)
    right = flow.slice(RIGHT).partition(2)
    for call in (
        lambda: left.local_group_by_key(compared),
        lambda: left.join_partitioned_sorted(right, compared, True, False),
        lambda: left.cogroup_partitioned_sorted(right, compared),
    ):
        with pytest.raises(TypeError, match="positional argument"):
            call()


test_in_one_run = in_one_run()
