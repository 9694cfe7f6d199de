"""Detection of the outer variables that a function's code changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from glowpy.planner.changed_names import changes_in

SOURCE = """
def outer():
    number, words, table = 0, [], {{}}
    def function(row):
        {declared}
        own, own_table = [], {{}}
        {line}
        return row
    return function
"""


def changes_of(line: str, declared: str = "pass") -> list[tuple[str, str]]:
    """Name and method of each change that a line in a function makes."""
    names: dict[str, Any] = {}
    exec(SOURCE.format(line=line, declared=declared), names)
    function: Callable[..., Any] = names["outer"]()
    return [(change.name, change.method) for change in changes_in(function.__code__)]


@pytest.mark.parametrize(
    ("line", "declared", "expected"),
    [
        ("total += 1", "global total", ("total", "")),
        ("total -= len(row)", "global total", ("total", "")),
        ("number *= 2", "nonlocal number", ("number", "")),
        ("words.append(row)", "pass", ("words", "append")),
        ("seen.add(row)", "pass", ("seen", "add")),
        ("counts[row] += 1", "pass", ("counts", "")),
        ("table[row.key] += row.value", "pass", ("table", "")),
        ("[seen.add(each) for each in row]", "pass", ("seen", "add")),
        ("list(map(lambda each: words.append(each), row))", "pass", ("words", "append")),
    ],
)
def test_a_change_is_found(line: str, declared: str, expected: tuple[str, str]) -> None:
    assert changes_of(line, declared) == [expected]


@pytest.mark.parametrize(
    ("line", "declared"),
    [
        ("own.append(row)", "pass"),
        ("own_table[row] = counts[row]", "pass"),
        ("own_table[counts[row]] += 1", "pass"),
        ("table[row] = row", "pass"),  # a cache
        ("model = row", "global model"),
        ("total = total + 1", "global total"),  # possibly kept for later, as `model = load(model)`
        ("words.copy()", "pass"),
        ("row.items.append(1)", "pass"),
        ("shop.items.append(1)", "pass"),  # the object itself is not known to be a list
        ("method = words.append", "pass"),
        ("row += number", "pass"),
    ],
)
def test_unproven_changes_are_not_reported(line: str, declared: str) -> None:
    assert changes_of(line, declared) == []
