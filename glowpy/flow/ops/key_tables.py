"""Rows grouped by key in hash tables; over budget, through sorted runs on disk.

A table that outgrows its budget is written to disk as a *run*: its rows in the order of their keys,
so that only the distinct keys have to be sorted. Finally the runs are merged, and rows with equal
keys, now adjacent, are grouped in tables again: in *chunks*. A chunk has some of the keys, with all
their rows on all sides. A kernel gets one chunk with all keys, or over budget many chunks with few
keys each.

Chunks and their keys follow the total order of all keys (`key_order`), so the order of the rows is
the same in memory and over budget. Distinct keys with the same place in that order share a chunk,
whose table distinguishes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress

from glowpy.flow.ops.hashing import check_hashes
from glowpy.flow.ops.kernel import Row, Stream, TaskContext
from glowpy.flow.ops.key_order import places_of, sorted_keys
from glowpy.flow.ops.keys import LoneKey, common_order, order_of
from glowpy.flow.ops.memory import BatchSizer, batches_from, size_of_table
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, KeysOf, aligned, merge_within
from glowpy.flow.ops.sorted_runs import RowsOf, SortedRuns, Table
from glowpy.record import NamedTuple

_CHECKS_IN_BUDGET = 16  # number of measurements of a table
_MOST_UNCHECKED = 1 << 16  # rows
_UNBOUNDED = 1 << 62

# Puts rows into a table; yields so that the caller can measure or empty the table.
FillLoop = Callable[[Stream, BatchSizer, Table], Iterator[None]]


class TableOps(NamedTuple):
    """Functions for the rows of a key in a table."""

    empty: Callable[[], Table]
    fill: FillLoop
    refill: FillLoop  # for rows returned by `rows_of`
    rows_of: RowsOf  # for writing to disk
    keys_of: KeysOf  # for rows returned by `rows_of`


class KeyedInput(NamedTuple):
    """The rows of one input, grouped in separate tables."""

    rows: Stream
    ops: TableOps


class KeyChunk(NamedTuple):
    """Some keys with all their rows: one table for each side.

    The receiver may empty the tables.
    """

    tables: list[Table]
    is_ordered: bool  # `<` puts all keys of all sides in order

    def in_order(self, keys: list[Row]) -> list[Row]:
        """Return these keys of the chunk, sorted."""
        return sorted_keys(keys, self.is_ordered)


def grouped_chunks(
    context: TaskContext,
    sides: Sequence[KeyedInput],
    *,
    is_first_streamed: bool = False,
    filtered: int | None = None,
) -> Iterator[KeyChunk]:
    """Yield all keys of all sides, each key in one chunk; chunks are in key order.

    Args:
        is_first_streamed: split a key with too many rows on the first side into several chunks,
            each with other rows of the first side and all rows of the others. If no rows are left
            for the last chunk, it has the key with an empty list.
        filtered: the side, of two, whose rows matter only if the other side has their key; other
            rows may be dropped early to save memory.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    with context.scratch() as disk:
        runs = SortedRuns(disk, context.budget_bytes // BLOCKS_IN_BUDGET)
        of_sides: list[list[Stream]] = [[] for _ in sides]
        tables = [side.ops.empty() for side in sides]
        left_bytes = context.budget_bytes
        for place, number in enumerate(_others_first(len(sides), filtered)):
            side = sides[number]
            if number == filtered and not any(of_sides):
                side = side._replace(rows=_only_keys_of(tables[1 - number], side))
            share_bytes = left_bytes
            if place + 1 < len(sides):  # the second side has the rest, and needs less if filtered
                share_bytes = left_bytes // 2 if filtered is None else left_bytes * 3 // 4
            for table, size_bytes, is_all in tables_of(side, share_bytes):
                if is_all and not of_sides[number]:
                    tables[number] = table
                    left_bytes -= size_bytes
                elif table:
                    of_sides[number].append(runs.add(table, side.ops.rows_of))
                    table.clear()
            if of_sides[number]:
                left_bytes -= share_bytes  # needed for merging
        if not any(of_sides):
            yield KeyChunk(tables, check_tables(tables))
            return
        for side, table, streams in zip(sides, tables, of_sides, strict=True):
            if table:
                streams.append(batches_from(runs.kept(table, side.ops.rows_of)))
        ops_of_sides = [side.ops for side in sides]
        yield from merged_chunks(
            context, ops_of_sides, of_sides, runs.is_ordered, is_first_streamed
        )


def _others_first(side_count: int, filtered: int | None) -> list[int]:
    return sorted(range(side_count), key=lambda number: number == filtered)


def _only_keys_of(table: Table, side: KeyedInput) -> Stream:
    """Yield the rows of a side whose keys are in a table."""
    for batch in side.rows:
        keys = side.ops.keys_of(batch)
        check_hashes(keys)  # dropped keys too
        yield list(compress(batch, map(table.__contains__, keys)))


def tables_of(side: KeyedInput, limit_bytes: int) -> Iterator[tuple[Table, int, bool]]:
    """Yield a side's rows in tables of limited size, each with its size and whether it is the last.

    A table is emptied after its turn.
    """
    ops = side.ops
    table = ops.empty()
    is_all = True
    sizer = BatchSizer(limit_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    size_bytes = 0
    for _pause in ops.fill(sizer.resize(side.rows), sizer, table):
        before_bytes, size_bytes = size_bytes, size_of_table(table)
        sizer.record_size(size_bytes - before_bytes)
        if size_bytes > limit_bytes:
            is_all = False
            yield table, size_bytes, is_all
            table.clear()
            size_bytes = 0
    is_all = True
    yield table, size_of_table(table), is_all


def check_tables(tables: Sequence[Table]) -> bool:
    """Refuse keys without a hash by value; return True if all keys have a common total order.

    Raises:
        RowError: a key has a hash only by its address in memory.
    """
    if common_order([order_of(table.keys()) for table in tables if table]) is not None:
        return True
    for table in tables:
        check_hashes(list(table))
    return False


def merged_chunks(
    context: TaskContext,
    ops_of_sides: Sequence[TableOps],
    of_sides: Sequence[Sequence[Stream]],
    is_ordered: bool,
    is_first_streamed: bool = False,
) -> Iterator[KeyChunk]:
    """Merge the sorted streams of all sides, side by side.

    Rows of a key are in the order of the streams of their side.
    """
    keys_of = [_places_of(ops.keys_of, is_ordered) for ops in ops_of_sides]
    place_of = _places_of(list, is_ordered)
    merged = [
        merge_within(context, streams, each, plain=True)
        for streams, each in zip(of_sides, keys_of, strict=True)
    ]
    sizer = BatchSizer(_UNBOUNDED, _UNBOUNDED, _UNBOUNDED)
    tables = [ops.empty() for ops in ops_of_sides]
    for bound, batches, has_more in aligned(merged, keys_of):
        for ops, table, batch in zip(ops_of_sides, tables, batches, strict=True):
            for _pause in ops.refill(iter([batch]), sizer, table):
                pass
        held = [ops.empty() for ops in ops_of_sides]
        if any(has_more):
            for number, (table, kept) in enumerate(zip(tables, held, strict=True)):
                # Lone keys of a side come after those of earlier sides.
                _hold_back(table, kept, bound, place_of, any(has_more[:number]))
        if any(tables):
            yield KeyChunk(tables, is_ordered)
        tables = held
        if is_first_streamed and has_more[0] and not any(has_more[1:]):
            yield KeyChunk([_shared(table, tables[0]) for table in tables], is_ordered)
            tables[0].update({key: [] for key in tables[0]})
    if any(tables):
        yield KeyChunk(tables, is_ordered)


def _shared(table: Table, first: Table) -> Table:
    """Return the keys that the first side has too; others at the same place may get more rows."""
    return {key: value for key, value in table.items() if key in first}


def _places_of(keys_of: KeysOf, is_ordered: bool) -> KeysOf:
    """Return the sort keys of a batch's rows."""
    return keys_of if is_ordered else lambda batch: places_of(keys_of(batch))


def _hold_back(
    table: Table, kept: Table, bound: Row, place_of: KeysOf, holds_lone_keys: bool
) -> None:
    """Move the last keys, which are at the bound and may get more rows, to another table."""
    moved: list[tuple[Row, Row]] = []
    complete: list[tuple[Row, Row]] = []  # of keys without a match
    while table:
        key, value = table.popitem()
        if place_of([key]) != [bound]:
            table[key] = value
            break
        is_complete = type(key) is LoneKey and not holds_lone_keys
        (complete if is_complete else moved).append((key, value))
    table.update(reversed(complete))
    kept.update(reversed(moved))
