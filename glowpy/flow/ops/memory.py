"""About how much memory rows take, and batches that take no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from sys import getsizeof

from glowpy.flow.ops.kernel import Batch, Row

_SAMPLE = 32
_INNER_SAMPLE = 8
_DEPTH = 4
_MOST_ROWS = 4096  # of a batch


def size_of(value: Row, depth: int = _DEPTH) -> int:
    """About how many bytes a value takes, with what it holds. Shared parts count each time."""
    size = getsizeof(value)
    if not depth:
        return size
    kind = type(value)
    if kind in (tuple, list, set, frozenset):
        return size + _inner(value, len(value), depth)
    if kind is dict:
        return size + _inner(value, len(value), depth) + _inner(value.values(), len(value), depth)
    inner = getattr(value, "__dict__", None)
    return size if inner is None else size + size_of(inner, depth - 1)


def _inner(values: Iterable[Row], count: int, depth: int) -> int:
    some = [size_of(each, depth - 1) for each in islice(values, _INNER_SAMPLE)]
    return sum(some) * count // len(some) if some else 0


def size_of_table(table: dict[Row, Row]) -> int:
    """About how many bytes a dict takes.

    Judged by the first keys, whose values often have grown, and the last, which are new.
    """
    some = [*islice(table.items(), _SAMPLE), *islice(reversed(table.items()), _SAMPLE)]
    held = sum(size_of(key) + size_of(value) for key, value in some)
    return getsizeof(table) + held * len(table) // max(1, len(some))


def size_of_rows(rows: Batch) -> int:
    """About how many bytes a list of rows takes."""
    some = rows[:: max(1, len(rows) // _SAMPLE)]
    return getsizeof(rows) + sum(map(size_of, some)) * len(rows) // max(1, len(some))


def batches_of(rows: Batch, limit_bytes: int) -> Iterator[Batch]:
    """Rows in batches of some thousand, or fewer if they are large."""
    position = 0
    while position < len(rows):
        sample = rows[position : position + _SAMPLE]
        row_bytes = sum(map(size_of, sample)) // len(sample)
        count = max(1, min(_MOST_ROWS, limit_bytes // (row_bytes + 1)))
        yield rows[position : position + count]
        position += count
