"""Estimates of the memory of rows, and batches of limited size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from sys import getsizeof

from glowpy.flow.ops.kernel import Batch, Row, Stream

BATCH_BYTES = 1 << 20  # approximate size of a batch
MOST_ROWS = 8192  # of a batch
_SAMPLE = 32
_INNER_SAMPLE = 8
_DEPTH = 4
_FEW_ROWS = 16  # while the size of rows is unknown


def size_of(value: Row, depth: int = _DEPTH) -> int:
    """Estimate the bytes of a value with its contents. Shared parts count each time."""
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
    """Estimate the bytes of a dict.

    Samples the first keys, whose values have often grown, and the last, which are new.
    """
    some = [*islice(table.items(), _SAMPLE), *islice(reversed(table.items()), _SAMPLE)]
    held = sum(size_of(key) + size_of(value) for key, value in some)
    return getsizeof(table) + held * len(table) // max(1, len(some))


def size_of_rows(rows: Batch) -> int:
    """Estimate the bytes of a list of rows."""
    some = rows[:: max(1, len(rows) // _SAMPLE)]
    return getsizeof(rows) + sum(map(size_of, some)) * len(rows) // max(1, len(some))


class BatchSizer:
    """Adapts the batch size so that the output of a batch takes about `target_bytes`.

    The first batches are small; later sizes follow from the output of earlier batches.
    """

    def __init__(
        self, target_bytes: int, most_rows: int = MOST_ROWS, rows: int = _FEW_ROWS
    ) -> None:
        self.target_bytes = target_bytes
        self.most_rows = most_rows
        self.rows = rows

    def record_size(self, size_bytes: int) -> None:
        """Adapt the batch size to the output size of the last batch."""
        fitting = self.rows * self.target_bytes // max(1, size_bytes)
        self.rows = max(1, min(2 * self.rows, fitting, self.most_rows))

    def resize(self, stream: Stream) -> Stream:
        """Yield the same rows in batches of at most the current size."""
        for batch in stream:
            if len(batch) <= self.rows:
                yield batch
                continue
            first = 0
            while first < len(batch):
                count = self.rows
                yield batch[first : first + count]
                first += count


def batches_from(rows: Iterable[Row], wanted: int = 0) -> Stream:
    """Yield rows that are computed lazily, in batches of about a MiB, small at first.

    Args:
        wanted: row limit of the run; a batch ends there, because no further row may be needed.
    """
    left = iter(rows)
    sizer = BatchSizer(BATCH_BYTES)
    while batch := list(islice(left, min(sizer.rows, wanted) if wanted > 0 else sizer.rows)):
        yield batch
        wanted -= len(batch)
        sizer.record_size(sizer.rows * size_of(batch[-1]))


def batches_of(rows: Batch, limit_bytes: int) -> Iterator[Batch]:
    """Yield rows in batches of some thousand, fewer if the rows are large."""
    position = 0
    while position < len(rows):
        sample = rows[position : position + _SAMPLE]
        row_bytes = sum(map(size_of, sample)) // len(sample)
        count = max(1, min(MOST_ROWS, limit_bytes // (row_bytes + 1)))
        yield rows[position : position + count]
        position += count
