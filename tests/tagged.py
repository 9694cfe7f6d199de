"""Rows of several datasets by one run.

Executors import this file, so it loads no module that is not loaded in an executor anyway.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from glowpy import Dataset


def tagged(number: int, row: Any) -> tuple[int, Any]:
    return number, row


def collected(datasets: list[Dataset]) -> list[list[Any]]:
    """The rows of each dataset, by one run."""
    first, *others = [each.map(partial(tagged, n)) for n, each in enumerate(datasets)]
    rows: list[list[Any]] = [[] for _ in datasets]
    for number, row in first.union(*others).collect():
        rows[number].append(row)
    return rows
