"""Values folded by key, from left to right in row order, under any memory budget.

A table that outgrows the budget keeps its first keys, whose values are still folded row by row. The
other keys, with their totals so far, are written to disk as a sorted run; later rows of keys
outside the table are collected and written unfolded. Finally the runs are merged, and the rows of
each key folded. A function that rounds, as the addition of floats does, therefore returns the same
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

_CHECKS_IN_BUDGET = 16  # number of measurements of a table
_MOST_UNCHECKED = 1 << 16  # rows

Add: TypeAlias = Callable[[Row, Row], None]
# Folds rows into a table, and yields so that the table can be measured. The caller may send another
# table, and a function for rows of keys outside the table.
Folding: TypeAlias = Generator[None, tuple[Table, Add] | None, None]
Fold: TypeAlias = Callable[[Stream, BatchSizer, Table], Folding]


def folded(fold: Fold, refold: Fold, context: TaskContext, rows: Stream) -> Iterator[KeyChunk]:
    """Yield all keys with their totals, each key in one chunk; chunks are in key order.

    Args:
        fold: folds the incoming rows, after the row steps before the fold.
        refold: folds pairs; the first pair of a key may hold a partial result.
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
        with suppress(StopIteration):  # all rows are folded or written
            while True:
                folding.send((spilled.totals, spilled.add))
                sizer.record_size(spilled.grown_bytes())
        ops = TableOps(empty=dict, fill=refold, refill=refold, rows_of=_pairs_of, keys_of=firsts_of)
        yield from merged_chunks(context, [ops], [spilled.streams()], spilled.is_ordered)


class _Spilled:
    """A table that outgrew its budget, and its runs on disk."""

    def __init__(self, runs: SortedRuns, totals: Table, budget_bytes: int) -> None:
        self._runs = runs
        self._most_bytes = budget_bytes // 2  # of the table, and of the rows of other keys
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
        """Store a row of a key outside the table."""
        if key in self._others:
            self._others[key].append(value)
        else:
            self._others[key] = [value]

    def grown_bytes(self) -> int:
        """Return the memory added since the last call; write rows beyond the budget to disk."""
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
        """Return all runs, in the order in which their keys first appeared.

        Runs of totals come first, because a total covers the rows before it.
        """
        self._of_totals.append(self._runs.add(self.totals, _pairs_of))
        self.totals.clear()
        if self._others:
            self._write_others()
        return self._of_totals[::-1] + self._of_rows

    def _halve(self) -> None:
        """Write the second half of the keys; the first keys often have the most rows."""
        count = len(self.totals) // 2
        written = dict(islice(self.totals.items(), count, None))
        self._of_totals.append(self._runs.add(written, _pairs_of))
        # A dict keeps its memory after its keys are deleted.
        self.totals = dict(islice(self.totals.items(), count))

    def _write_others(self) -> None:
        self._of_rows.append(self._runs.add(self._others, _rows_of))
        self._others = {}


def _pairs_of(table: Table, keys: Iterable[Row]) -> Iterable[Row]:
    return ((key, table[key]) for key in keys)


def _rows_of(table: Table, keys: Iterable[Row]) -> Iterable[Row]:
    return ((key, value) for key in keys for value in table[key])
