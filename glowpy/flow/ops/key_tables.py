"""Rows brought together by key in hash tables; over budget, by way of sorted runs on disk.

A table that outgrows its budget is written to disk as a *run*: its rows in the order of their keys,
so that only the different keys have to be sorted. In the end the runs are merged, and rows with
equal keys, which now come one after another, meet in tables again: in *windows*. A window has some
of the keys, and everything that these have, on all sides. A kernel gets one window with all keys,
or over budget many with few keys each.

Keys are put in order where they provably have one. Where they have none, their hashes give one to
the runs: keys that share a hash come in one window, and the table there tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, islice
from typing import Any

from glowpy.flow.ops.hashing import check_hashes, hashes_of
from glowpy.flow.ops.kernel import Row, Scratch, Stream, TaskContext
from glowpy.flow.ops.keys import Order, common_order, order_of
from glowpy.flow.ops.memory import Pace, batches_from, batches_of, size_of_table
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, KeysOf, aligned, merge_within
from glowpy.record import NamedTuple

_CHECKS_IN_BUDGET = 16  # how often a table is measured
_MOST_UNCHECKED = 1 << 16  # rows
_KEYS_AT_A_TIME = 1024
_UNBOUNDED = 1 << 62

Table = dict[Row, Any]
# Puts rows into a table, and lets it be measured, and emptied, whenever it yields.
Fill = Callable[[Stream, Pace, Table], Iterator[None]]


class Holding(NamedTuple):
    """How a table holds the rows of a key."""

    empty: Callable[[], Table]
    fill: Fill
    refill: Fill  # of rows that `rows_of` has given
    rows_of: Callable[[Table, Iterable[Row]], Iterable[Row]]  # of these keys, for the disk
    keys_of: KeysOf  # of such rows


class Side(NamedTuple):
    """The rows of one input, which meet in tables of their own."""

    rows: Stream
    holding: Holding


class Window(NamedTuple):
    """Some keys with everything that they have: one table for each side.

    Tables may be emptied by whoever gets them.
    """

    tables: list[Table]
    is_ordered: bool  # all keys of all sides have a common order

    def in_order(self, keys: list[Row]) -> list[Row]:
        """These keys of the window, sorted if they can be."""
        if self.is_ordered:
            keys.sort()
        return keys


def windows(
    context: TaskContext,
    sides: Sequence[Side],
    *,
    is_first_streamed: bool = False,
    filtered: int | None = None,
) -> Iterator[Window]:
    """All keys of all sides, each in one window; windows come in key order if there is one.

    Args:
        is_first_streamed: when one key has too many rows on the first side, let it come in several
            windows, with other rows of the first side and all those of the others. Where nothing
            is left for the last of them, it has the key all the same, with an empty list.
        filtered: of two sides the one whose rows matter only where the other has their key. They
            may be dropped, so that fewer have to be kept.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    with context.scratch() as disk, context.scratch() as more_disk:
        runs = _Runs(sides, disk, context.budget_bytes // BLOCKS_IN_BUDGET)
        tables = [side.holding.empty() for side in sides]
        left_bytes = context.budget_bytes
        for place, number in enumerate(_others_first(len(sides), filtered)):
            side = sides[number]
            if number == filtered and runs.is_empty:
                side = side._replace(rows=_only_keys_of(tables[1 - number], side))
            share_bytes = left_bytes
            if place + 1 < len(sides):  # the second side has the rest; if filtered, it needs less
                share_bytes = left_bytes // 2 if filtered is None else left_bytes * 3 // 4
            for table, size_bytes, is_all in tables_of(side, share_bytes):
                if is_all and not runs.has(number):
                    tables[number] = table
                    left_bytes -= size_bytes
                else:
                    runs.add(number, table)
            if runs.has(number):
                left_bytes -= share_bytes  # merging takes that
        if runs.is_empty:
            yield Window(tables, check_tables(tables))
            return
        for number, table in enumerate(tables):
            runs.keep(number, table)
        yield from _windows_of(context, sides, runs, more_disk, is_first_streamed)


def _others_first(side_count: int, filtered: int | None) -> list[int]:
    return sorted(range(side_count), key=lambda number: number == filtered)


def _only_keys_of(table: Table, side: Side) -> Stream:
    """The rows of a side whose keys a table has."""
    for batch in side.rows:
        keys = side.holding.keys_of(batch)
        check_hashes(keys)  # also of those that are dropped here
        yield list(compress(batch, map(table.__contains__, keys)))


def tables_of(side: Side, limit_bytes: int) -> Iterator[tuple[Table, int, bool]]:
    """A side's rows in tables of about this size; with each, its size, and whether it is the last.

    A table is emptied after it has been taken.
    """
    holding = side.holding
    table = holding.empty()
    is_all = True
    pace = Pace(limit_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    size_bytes = 0
    for _pause in holding.fill(pace.cut(side.rows), pace, table):
        before_bytes, size_bytes = size_bytes, size_of_table(table)
        pace.learn(size_bytes - before_bytes)
        if size_bytes > limit_bytes:
            is_all = False
            yield table, size_bytes, is_all
            table.clear()
            size_bytes = 0
    is_all = True
    yield table, size_of_table(table), is_all


def check_tables(tables: Sequence[Table]) -> bool:
    """Refuse keys that another process would hash otherwise; are all others in a common order?

    Raises:
        RowError: a key has a hash only by its address in memory.
    """
    if common_order([order_of(table.keys()) for table in tables if table]) is not None:
        return True
    for table in tables:
        check_hashes(list(table))
    return False


class _Runs:
    """The tables that did not fit, as sorted runs on disk, by side."""

    def __init__(self, sides: Sequence[Side], disk: Scratch, block_bytes: int) -> None:
        self._holdings = [side.holding for side in sides]
        self._disk = disk
        self._block_bytes = block_bytes
        self._runs: list[list[_Run]] = [[] for _ in sides]
        self._kept: list[Table] = [{} for _ in sides]  # what did fit
        self._orders: set[Order | None] = set()

    @property
    def is_empty(self) -> bool:
        return not any(self._runs)

    def has(self, side: int) -> bool:
        return bool(self._runs[side])

    @property
    def is_ordered(self) -> bool:
        """So far, all keys have a common order."""
        return common_order(self._orders) is not None

    def add(self, side: int, table: Table) -> None:
        """Write a table's rows as one more run of a side, and empty it."""
        if not table:
            return
        self._orders.add(order_of(table.keys()))
        number = sum(map(len, self._runs))
        self._runs[side].append(_Run(number, self.is_ordered))
        keys = self._in_order(table)
        holding = self._holdings[side]
        for first in range(0, len(keys), _KEYS_AT_A_TIME):
            some = keys[first : first + _KEYS_AT_A_TIME]
            self._write(self._disk, number, holding.rows_of(table, some))
        table.clear()

    def keep(self, side: int, table: Table) -> None:
        """All rows of a side that has no runs, which stay in memory."""
        if table:
            self._orders.add(order_of(table.keys()))
            self._kept[side] = table

    def streams(self, side: int, more_disk: Scratch) -> list[Stream]:
        """The runs of a side, all in one order."""
        holding = self._holdings[side]
        if table := self._kept[side]:
            return [batches_from(holding.rows_of(table, self._in_order(table)))]
        streams = []
        for run in self._runs[side]:
            if run.is_by_key and not self.is_ordered:
                # It was written before keys came that have no order with its own.
                rows = [row for batch in self._disk.read(run.number) for row in batch]
                places = _order_of(hashes_of(holding.keys_of(rows)))
                self._write(more_disk, run.number, map(rows.__getitem__, places))
                streams.append(more_disk.read(run.number))
            else:
                streams.append(self._disk.read(run.number))
        return streams

    def _in_order(self, table: Table) -> list[Row]:
        keys = list(table)
        if self.is_ordered:
            keys.sort()
            return keys
        return [keys[place] for place in _order_of(hashes_of(keys))]

    def _write(self, disk: Scratch, number: int, rows: Iterable[Row]) -> None:
        left = iter(rows)
        while some := list(islice(left, _MOST_UNCHECKED)):
            for batch in batches_of(some, self._block_bytes):
                disk.append(number, batch)


class _Run(NamedTuple):
    """One sorted run on disk."""

    number: int  # of its part of the file
    is_by_key: bool  # otherwise it is in the order of hashes


def _order_of(numbers: Sequence[int]) -> list[int]:
    return sorted(range(len(numbers)), key=numbers.__getitem__)


def _windows_of(
    context: TaskContext,
    sides: Sequence[Side],
    runs: _Runs,
    more_disk: Scratch,
    is_first_streamed: bool,
) -> Iterator[Window]:
    """The runs of all sides, merged side by side."""
    is_ordered = runs.is_ordered
    keys_of = [_places_of(side.holding.keys_of, is_ordered) for side in sides]
    place_of = _places_of(list, is_ordered)
    merged = [
        merge_within(context, runs.streams(number, more_disk), keys_of[number])
        for number in range(len(sides))
    ]
    pace = Pace(_UNBOUNDED, _UNBOUNDED, _UNBOUNDED)
    tables = [side.holding.empty() for side in sides]
    for bound, batches, has_more in aligned(merged, keys_of):
        for side, table, batch in zip(sides, tables, batches, strict=True):
            for _pause in side.holding.refill(iter([batch]), pace, table):
                pass
        held = [side.holding.empty() for side in sides]
        if any(has_more):
            for table, kept in zip(tables, held, strict=True):
                _hold_back(table, kept, bound, place_of)
        if any(tables):
            yield Window(tables, is_ordered)
        tables = held
        if is_first_streamed and has_more[0] and not any(has_more[1:]):
            yield Window([dict(table) for table in tables], is_ordered)
            tables[0].update({key: [] for key in tables[0]})
    if any(tables):
        yield Window(tables, is_ordered)


def _places_of(keys_of: KeysOf, is_ordered: bool) -> KeysOf:
    """What the rows of a batch are sorted by."""
    return keys_of if is_ordered else lambda batch: hashes_of(keys_of(batch))


def _hold_back(table: Table, kept: Table, bound: Row, place_of: KeysOf) -> None:
    """Move the last keys, which are at the bound and may get more rows, to another table."""
    moved = []
    while table:
        key, value = table.popitem()
        if place_of([key]) != [bound]:
            table[key] = value
            break
        moved.append((key, value))
    kept.update(reversed(moved))
