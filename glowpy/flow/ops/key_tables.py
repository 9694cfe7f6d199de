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
from itertools import islice
from typing import Any

from glowpy.flow.ops.hashing import hashes_of
from glowpy.flow.ops.kernel import Row, Scratch, Stream, TaskContext
from glowpy.flow.ops.keys import Order, common_order, order_of
from glowpy.flow.ops.memory import Pace, batches_of, size_of_table
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
    context: TaskContext, sides: Sequence[Side], *, is_first_streamed: bool = False
) -> Iterator[Window]:
    """All keys of all sides, each in one window; windows come in key order if there is one.

    Args:
        is_first_streamed: when one key has too many rows on the first side, let it come in several
            windows, with other rows of the first side and all those of the others. Where nothing
            is left for the last of them, it has the key all the same, with an empty list.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    with context.scratch() as disk, context.scratch() as more_disk:
        runs = _Runs(sides, disk, context.budget_bytes // BLOCKS_IN_BUDGET)
        tables = []
        left_bytes = context.budget_bytes
        for number, side in enumerate(sides):
            share_bytes = left_bytes // (len(sides) - number)
            for table, size_bytes, is_all in tables_of(side, share_bytes):
                if is_all:
                    tables.append(table)
                    left_bytes -= size_bytes
                else:
                    runs.add(number, table)
        if not runs.is_empty:
            for number in range(len(sides)):
                runs.add(number, tables.pop(0))
            yield from _windows_of(context, sides, runs, more_disk, is_first_streamed)
            return
        yield Window(tables, check_hashes(tables))


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


def check_hashes(tables: Sequence[Table]) -> bool:
    """Refuse keys that another process would hash otherwise; are all others in a common order?

    Raises:
        RowError: a key has a hash only by its address in memory.
    """
    if common_order([order_of(table.keys()) for table in tables if table]) is not None:
        return True
    for table in tables:
        hashes_of(list(table))
    return False


class _Runs:
    """The tables that did not fit, as sorted runs on disk, by side."""

    def __init__(self, sides: Sequence[Side], disk: Scratch, block_bytes: int) -> None:
        self._sides = sides
        self._disk = disk
        self._block_bytes = block_bytes
        self._by_key: list[list[bool]] = [[] for _ in sides]  # of each run: its order is its keys'
        self._numbers: list[list[int]] = [[] for _ in sides]
        self._orders: set[Order | None] = set()

    @property
    def is_empty(self) -> bool:
        return not self._orders

    @property
    def is_ordered(self) -> bool:
        """So far, all keys have a common order."""
        return common_order(self._orders) is not None

    def add(self, side: int, table: Table) -> None:
        """Write a table's rows as one more run of a side, and empty it."""
        if not table:
            return
        keys = list(table)
        self._orders.add(order_of(keys))
        if self.is_ordered:
            keys.sort()
        else:
            numbers = hashes_of(keys)
            keys = [keys[place] for place in _order_of(numbers)]
        number = sum(map(len, self._numbers))
        self._numbers[side].append(number)
        self._by_key[side].append(self.is_ordered)
        holding = self._sides[side].holding
        for first in range(0, len(keys), _KEYS_AT_A_TIME):
            some = keys[first : first + _KEYS_AT_A_TIME]
            self._write(self._disk, number, holding.rows_of(table, some))
        table.clear()

    def streams(self, side: int, more_disk: Scratch) -> list[Stream]:
        """The runs of a side, all in one order."""
        holding = self._sides[side].holding
        streams = []
        for number, by_key in zip(self._numbers[side], self._by_key[side], strict=True):
            if by_key and not self.is_ordered:
                # It was written before keys came that have no order with its own.
                rows = [row for batch in self._disk.read(number) for row in batch]
                places = _order_of(hashes_of(holding.keys_of(rows)))
                self._write(more_disk, number, map(rows.__getitem__, places))
                streams.append(more_disk.read(number))
            else:
                streams.append(self._disk.read(number))
        return streams

    def _write(self, disk: Scratch, number: int, rows: Iterable[Row]) -> None:
        left = iter(rows)
        while some := list(islice(left, _MOST_UNCHECKED)):
            for batch in batches_of(some, self._block_bytes):
                disk.append(number, batch)


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
