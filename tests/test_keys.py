"""The key of a row, and the test for pairs."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.errors import RowError
from glowpy.flow.ops.keys import check_pairs, key_of
from tests.ugly_rows import City, Point


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (("k", 1), "k"),
        (["k", 1, 2], "k"),
        (("k",), "k"),
        ((("a", "b"), 1), ("a", "b")),
        (Point(None, 1), None),
        ((), ()),
        ([], []),
        ("text", "text"),
        (None, None),
        ({"k": 1}, {"k": 1}),
        (City("Bonn", 1), City("Bonn", 1)),
    ],
)
def test_the_key_is_the_first_element_or_the_row_itself(row: Any, key: Any) -> None:
    assert key_of(row) == key


def test_pairs_are_tuples_or_lists_of_two() -> None:
    check_pairs([], "op")
    check_pairs([("a", 1), ("b", 2)], "op")
    check_pairs([("a", 1), ["b", 2], Point(1, 2)], "op")


@pytest.mark.parametrize("row", [("k",), ("k", 1, 2), (), "ab", None, {1: 2, 3: 4}, b"ab"])
def test_the_first_row_that_is_no_pair_is_shown(row: Any) -> None:
    for before in ([], [("a", 1)], [["a", 1]]):
        with pytest.raises(RowError) as failure:
            check_pairs([*before, row, "another"], "group_by_key")
        assert str(failure.value) == (f"group_by_key needs rows of (key, value), but got {row!r}")
