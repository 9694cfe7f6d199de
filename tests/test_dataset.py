"""A dataset is no container: the error of len, indexing and iteration names the right method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from glowpy import Flow
from glowpy.errors import DefinitionError, NotComputed


def dataset() -> Any:
    return Flow(["-glow.inline"]).slice([1, 2])


def loop(rows: Any) -> None:
    for _row in rows:
        pass


MISUSES: list[tuple[Callable[[Any], Any], str]] = [
    (loop, "collect() computes them"),
    (list, "collect() computes them"),
    (sorted, "collect() computes them"),
    (lambda rows: 1 in rows, "collect() computes them"),
    (lambda rows: print(*rows), "add_output() and start()"),
    (len, "count() computes the number of rows"),
    (lambda rows: rows[0], "take(n) computes the first n"),
    (lambda rows: rows[:2], "take(n) computes the first n"),
    (lambda rows: rows["price"], "map(lambda row: row['price']) selects a field of each row"),
    (lambda rows: rows + rows, "a.union(b, c)"),
    (lambda rows: sum([rows, rows]), "a.union(b, c)"),
    (lambda rows: [1] + rows, "a.union(b, c)"),
    (lambda rows: rows | rows, "a.union(b, c)"),
    (lambda rows: rows + 1, "a Dataset is no number; reduce(f).collect()[0] is the value"),
    (lambda rows: 2 * rows, "a Dataset is no number"),
    (lambda rows: rows > 3, "a Dataset is no number"),
    (lambda rows: Flow(["-glow.inline"]).slice(rows), "collect() computes them"),
]


@pytest.mark.parametrize(("misuse", "said"), MISUSES, ids=[said for _, said in MISUSES])
def test_a_misuse_names_the_line_and_the_call(misuse: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(NotComputed) as raised:
        misuse(dataset())
    text = str(raised.value)
    assert text.startswith("test_dataset.py:") and said in text
    assert isinstance(raised.value, DefinitionError)
    assert isinstance(raised.value, TypeError), "what asks whether it can be iterated over"


def test_a_dataset_is_true_with_rows_or_without() -> None:
    """`if dataset` tests for None; no row is computed."""
    assert dataset()
    assert Flow(["-glow.inline"]).slice([])
