"""Values folded by key: the values of a key from left to right, in row order, under any budget.

A table that outgrows its budget keeps its first keys, whose values are still folded as they come.
The other keys, with what they have so far, are written to disk as a sorted run; later rows of keys
that the table does not have are collected, and written as they are. In the end the runs are merged,
and the rows of each key folded on. A user's function that rounds, as the addition of floats does,
gives the same result as in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeAlias

from glowpy.flow.ops.kernel import Batch, Row, Stream, TaskContext
from glowpy.flow.ops.key_tables import Holding, Window, check_tables, merged_windows
from glowpy.flow.ops.memory import Pace, size_of_table
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, firsts_of
from glowpy.flow.ops.sorted_runs import SortedRuns, Table

_CHECKS_IN_BUDGET = 16  # how often a table is measured
_MOST_UNCHECKED = 1 << 16  # rows

# Folds rows into a table, and lets it be measured, emptied or replaced whenever it yields.
Folding: TypeAlias = Generator[None, Table | None, None]
Fold: TypeAlias = Callable[[Stream, Pace, Table], Folding]


def folded(fold: Fold, refold: Fold, context: TaskContext, rows: Stream) -> Iterator[Window]:
    """All keys with their total, each in one window; windows come in the order of their keys.

    Args:
        fold: of the incoming rows, through the row steps before the fold.
        refold: of pairs, of which the first of a key may have been folded before.
    """
    budget_bytes = context.budget_bytes
    pace = Pace(budget_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    table: Table = {}
    folding = fold(pace.cut(rows), pace, table)
    size_bytes = 0
    for _pause in folding:
        before_bytes, size_bytes = size_bytes, size_of_table(table)
        pace.learn(size_bytes - before_bytes)
        if size_bytes > budget_bytes:
            break
    else:
        yield Window([table], check_tables([table]))
        return
    with context.scratch() as disk:
        spilled = _Spilled(SortedRuns(disk, budget_bytes // BLOCKS_IN_BUDGET), table, budget_bytes)
        with suppress(StopIteration):  # all rows are folded, or written
            folding.send(spilled.table)
            while True:
                pace.learn(spilled.grown_bytes())
                next(folding)
        holding = Holding(dict, refold, refold, _pairs_of, firsts_of)
        yield from merged_windows(context, [holding], [spilled.streams()], spilled.is_ordered)


class _Partial(Table):
    """Totals of some keys; a row of any other key is kept as it is."""

    def __init__(self, totals: Table) -> None:
        super().__init__(totals)
        self.others: dict[Row, Batch] = defaultdict(list)  # by key, in row order

    def __setitem__(self, key: Row, value: Row) -> None:
        if key in self:
            super().__setitem__(key, value)
        else:
            self.others[key].append(value)


class _Spilled:
    """A table that was full, and the runs that it was written to."""

    def __init__(self, runs: SortedRuns, totals: Table, budget_bytes: int) -> None:
        self._runs = runs
        self._most_bytes = budget_bytes // 2  # of the table, and of the rows of other keys
        self._of_totals: list[Stream] = []
        self._of_rows: list[Stream] = []
        self.table = _Partial(totals)
        totals.clear()
        self._halve()
        self._size_bytes = size_of_table(self.table)

    @property
    def is_ordered(self) -> bool:
        return self._runs.is_ordered

    def grown_bytes(self) -> int:
        """Memory that the rows since the last call take; what is too much is written."""
        table, others = self.table, self.table.others
        total_bytes, other_bytes = size_of_table(table), size_of_table(others)
        grown_bytes = total_bytes + other_bytes - self._size_bytes
        if total_bytes > self._most_bytes and len(table) > 1:
            self._halve()
            total_bytes = size_of_table(table)
        if other_bytes > self._most_bytes:
            self._write_others()
            other_bytes = 0
        self._size_bytes = total_bytes + other_bytes
        return grown_bytes

    def streams(self) -> list[Stream]:
        """All runs; those of totals first, because a key's total is of the rows before."""
        self._of_totals.append(self._runs.add(self.table, _pairs_of))
        self.table.clear()
        self._write_others()
        return self._of_totals + self._of_rows

    def _halve(self) -> None:
        """Write the second half of the keys; the first ones are often those with most rows."""
        keys = list(islice(self.table, len(self.table) // 2, None))
        written = {key: self.table.pop(key) for key in keys}
        self._of_totals.append(self._runs.add(written, _pairs_of))

    def _write_others(self) -> None:
        if self.table.others:
            self._of_rows.append(self._runs.add(self.table.others, _rows_of))
            self.table.others.clear()


def _pairs_of(table: Table, keys: Iterable[Row]) -> Iterable[Row]:
    return ((key, table[key]) for key in keys)


def _rows_of(table: Table, keys: Iterable[Row]) -> Iterable[Row]:
    return ((key, value) for key in keys for value in table[key])
