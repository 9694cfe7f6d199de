"""Values folded by key: the values of a key from left to right, in row order, under any budget.

A table that outgrows the budget keeps its first keys, whose values are still folded row by row.
The other keys, with their totals so far, are written to disk as a sorted run; later rows of keys
outside the table are collected and written unfolded. In the end the runs are merged, and the rows
of each key folded. A user's function that rounds, as the addition of floats does, returns the same
result as in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeAlias

from glowpy.flow.ops.kernel import Batch, Row, Stream, TaskContext
from glowpy.flow.ops.key_tables import KeyChunk, TableOps, check_tables, merged_chunks
from glowpy.flow.ops.memory import BatchSizer, size_of_table
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, firsts_of
from glowpy.flow.ops.sorted_runs import SortedRuns, Table

_CHECKS_IN_BUDGET = 16  # how often a table is measured
_MOST_UNCHECKED = 1 << 16  # rows

Add: TypeAlias = Callable[[Row, Row], None]
# Folds rows into a table, and lets it be measured whenever it yields. Sent back may be another
# table, and what takes the rows of keys that it does not have.
Folding: TypeAlias = Generator[None, tuple[Table, Add] | None, None]
Fold: TypeAlias = Callable[[Stream, BatchSizer, Table], Folding]


def folded(fold: Fold, refold: Fold, context: TaskContext, rows: Stream) -> Iterator[KeyChunk]:
    """All keys with their total, each in one chunk; grouped_chunks come in the order of their keys.

    Args:
        fold: of the incoming rows, through the row steps before the fold.
        refold: of pairs, of which the first of a key may have been folded before.
    """
    budget_bytes = context.budget_bytes
    sizer = BatchSizer(budget_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    table: Table = {}
    folding = fold(sizer.resize(rows), sizer, table)
    size_bytes = 0
    for _pause in folding:
        before_bytes, size_bytes = size_bytes, size_of_table(table)
        sizer.record_size(size_bytes - before_bytes)
        if size_bytes > budget_bytes:
            break
    else:
        yield KeyChunk([table], check_tables([table]))
        return
    with context.scratch() as disk:
        spilled = _Spilled(SortedRuns(disk, budget_bytes // BLOCKS_IN_BUDGET), table, budget_bytes)
        del table
        with suppress(StopIteration):  # all rows are folded, or written
            while True:
                folding.send((spilled.totals, spilled.add))
                sizer.record_size(spilled.grown_bytes())
        ops = TableOps(dict, refold, refold, _pairs_of, firsts_of)
        yield from merged_chunks(context, [ops], [spilled.streams()], spilled.is_ordered)


class _Spilled:
    """A table that outgrew its budget, and its runs on disk."""

    def __init__(self, runs: SortedRuns, totals: Table, budget_bytes: int) -> None:
        self._runs = runs
        self._most_bytes = budget_bytes // 2  # of the table, and of rows of other keys
        self._of_totals: list[Stream] = []
        self._of_rows: list[Stream] = []
        self.totals = totals
        self._others: dict[Row, Batch] = {}  # rows of keys outside the table
        self._halve()
        self._size_bytes = size_of_table(totals)

    @property
    def is_ordered(self) -> bool:
        return self._runs.is_ordered

    def add(self, key: Row, value: Row) -> None:
        """Take a row of a key outside the table."""
        if key in self._others:
            self._others[key].append(value)
        else:
            self._others[key] = [value]

    def grown_bytes(self) -> int:
        """Memory of the rows since the last call; writes rows beyond the budget."""
        total_bytes, other_bytes = size_of_table(self.totals), size_of_table(self._others)
        grown_bytes = total_bytes + other_bytes - self._size_bytes
        if total_bytes > self._most_bytes and len(self.totals) > 1:
            self._halve()
            total_bytes = size_of_table(self.totals)
        if other_bytes > self._most_bytes:
            self._write_others()
            other_bytes = 0
        self._size_bytes = total_bytes + other_bytes
        return grown_bytes

    def streams(self) -> list[Stream]:
        """All runs, in the order of the first appearance of their keys.

        Those of totals come first, because the total of a key is that of its rows before.
        """
        self._of_totals.append(self._runs.add(self.totals, _pairs_of))
        self.totals.clear()
        if self._others:
            self._write_others()
        return self._of_totals[::-1] + self._of_rows

    def _halve(self) -> None:
        """Write the second half of the keys; the first ones are often those with most rows."""
        count = len(self.totals) // 2
        written = dict(islice(self.totals.items(), count, None))
        self._of_totals.append(self._runs.add(written, _pairs_of))
        # A dict that loses keys keeps its memory.
        self.totals = dict(islice(self.totals.items(), count))

    def _write_others(self) -> None:
        self._of_rows.append(self._runs.add(self._others, _rows_of))
        self._others = {}


def _pairs_of(table: Table, keys: Iterable[Row]) -> Iterable[Row]:
    return ((key, table[key]) for key in keys)


def _rows_of(table: Table, keys: Iterable[Row]) -> Iterable[Row]:
    return ((key, value) for key in keys for value in table[key])
