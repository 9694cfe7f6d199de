"""reduce_by_key: one value per key, by hash aggregation (Go: flow/dataset_reduce.go).

The steps carry Glow's names; LocalSort and MergeSorted pass rows on, because LocalReduceByKey
keeps its groups in a hash table and puts them in key order itself, where keys have one.

A table that outgrows its budget is written to disk in parts, by the hash of its keys. In the end
each part is folded again by itself; one that is still too large is parted again. Where all keys
have an order, the folded parts are sorted runs on disk, to be merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from glowpy.errors import GlowError, RowError, shown
from glowpy.flow.arguments import check_reducer
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.hashing import parts_of
from glowpy.flow.ops.kernel import (
    Batch,
    FoldKind,
    FoldOp,
    PassOp,
    Row,
    Scratch,
    Stream,
    TaskContext,
    chain,
)
from glowpy.flow.ops.keys import check_pairs, common_order, order_of
from glowpy.flow.ops.memory import Pace, batches_of, size_of_table
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, first_of, merge_within

_PARTS = 32  # of a table that goes to disk
_MOST_PARTINGS = 6  # one after another; keys that share all these hashes stay together
_CHECKS_IN_BUDGET = 16  # how often a table is measured
_MOST_UNCHECKED = 1 << 16  # rows
_PARTED_ROWS = 1 << 16  # at a time, so that blocks on disk hold many rows
_UNBOUNDED = 1 << 62

Totals = dict[Row, Row]
# A compiled fold: fills the table, and lets it be measured, and emptied, whenever it yields.
Fold = Callable[[Stream, Pace, Totals], Iterator[None]]


def add_reduce_by_key_steps(
    graph: Graph, source: DatasetNode, function: Callable[[Row, Row], Row]
) -> DatasetNode:
    """Append the steps of a reduce_by_key; it gives one shard, in key order if there is one."""
    check_reducer(function, "reduce_by_key")
    location = user_location()
    local = source
    if not source.sorted_by_key:
        local = graph.add_pass_step("LocalSort", source, location, sorted_by_key=True)
    local = graph.add_step(
        "LocalReduceByKey",
        FoldOp(FoldKind.BY_KEY, function, is_partial=True),
        ((local, ONE_TO_ONE),),
        location,
        task_count=source.shard_count,
    )
    merged = graph.add_step("MergeSorted", PassOp(), ((local, ALL_TO_ONE),), location, task_count=1)
    return graph.add_step(
        "LocalReduceByKey",
        FoldOp(FoldKind.BY_KEY, function),
        ((merged, ONE_TO_ONE),),
        location,
        task_count=1,
    )


def combine_by_key(fold: Fold, context: TaskContext, rows: Stream) -> Stream:
    """(K, V) → (K, V), fewer of them: a table that outgrows its budget is given on as it is."""
    for table, _is_all in _tables(fold, context.budget_bytes, rows):
        yield from batches_of(list(table.items()), context.budget_bytes)


def fold_by_key(fold: Fold, refold: Fold, context: TaskContext, rows: Stream) -> Stream:
    """(K, V) → (K, V), one row per key; a key's values are folded in row order.

    Args:
        fold: of the incoming rows, through the row steps before the fold.
        refold: of pairs that have been folded before.
    """
    limit_bytes = context.budget_bytes // BLOCKS_IN_BUDGET
    orders: list[Any] = []
    with context.scratch() as runs:
        for order, pairs, partings in _folded(fold, refold, context, rows, 0):
            if not partings:
                yield from batches_of(pairs, limit_bytes)
                return
            for batch in batches_of(pairs, limit_bytes):
                runs.append(len(orders), batch)
            orders.append(order)
        streams = [runs.read(number) for number in range(len(orders))]
        if common_order(orders) is None:
            yield from chain(streams)
        else:
            yield from merge_within(context, streams, keys_of)


def keys_of(pairs: Batch) -> Batch:
    return list(map(first_of, pairs))


def _tables(fold: Fold, budget_bytes: int, rows: Stream) -> Iterator[tuple[Totals, bool]]:
    """Fold rows into a table; give it and empty it whenever its size exceeds the budget.

    With each table: is this all?
    """
    totals: Totals = {}
    is_all = True
    pace = Pace(budget_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    size_bytes = 0
    for _pause in fold(pace.cut(rows), pace, totals):
        before_bytes, size_bytes = size_bytes, size_of_table(totals)
        pace.learn(size_bytes - before_bytes)
        if size_bytes > budget_bytes:
            is_all = False
            yield totals, is_all
            totals.clear()
            size_bytes = 0
    yield totals, is_all


def _folded(
    fold: Fold, refold: Fold, context: TaskContext, rows: Stream, partings: int
) -> Iterator[tuple[Any, Batch, int]]:
    """All keys, each once, in tables that fit: their order, their rows, and how often parted."""
    is_last_try = partings == _MOST_PARTINGS
    tables = _tables(fold, _UNBOUNDED if is_last_try else context.budget_bytes, rows)
    table, is_all = next(tables)
    if is_all:
        if table:
            yield *_in_order(table), partings
        return
    with context.scratch() as parts:
        _part(table, parts, partings)
        for table, _is_all in tables:
            _part(table, parts, partings)
        for part in range(_PARTS):
            yield from _folded(refold, refold, context, parts.read(part), partings + 1)


def _part(table: Totals, parts: Scratch, partings: int) -> None:
    """Move a table's rows to disk by the hash of their keys; each parting takes other bits."""
    items = iter(table.items())
    while some := list(islice(items, _PARTED_ROWS)):
        places: list[Batch] = [[] for _ in range(_PARTS)]
        numbers = parts_of([key for key, _ in some], _PARTS ** (partings + 1))
        for number, row in zip(numbers, some, strict=True):
            places[number // _PARTS**partings].append(row)
        for part, rows in enumerate(places):
            if rows:
                parts.append(part, rows)
    table.clear()


def _in_order(table: Totals) -> tuple[Any, Batch]:
    """The rows of a table, by key if all its keys have an order; and which that is."""
    order = order_of(table.keys())
    rows = list(table.items())
    if order is not None:
        rows.sort(key=first_of)
    return order, rows


def fault_of(row: Row) -> GlowError | None:
    """What is wrong with a row that cannot be folded by key, if the row is to blame."""
    try:
        check_pairs([row], "reduce_by_key")
        hash(row[0])
    except RowError as exc:
        return exc
    except TypeError as exc:
        return RowError(f"key {shown(row[0])} cannot be hashed: {exc}")
    except BaseException:  # noqa: BLE001
        return None  # its own __hash__ has raised that before, and is blamed for it
    return None
