"""broadcast_join: a join that moves only its small side (not in Glow).

Every task gets all rows of the right side, while its shard of the left side streams by, in order.
If the right side does not fit into memory, both sides are joined by key as in a normal join, and
the result is sorted back into the order of the left side, all through the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count

from glowpy.copies import are_immutable, hold_mutable
from glowpy.flow.graph import BROADCAST, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.join import NOTHING, Match, combined, copies_of, matches
from glowpy.flow.ops.kernel import Batch, BatchOp, Stream, TaskContext, chain
from glowpy.flow.ops.key_tables import KeyedInput, check_tables, grouped_chunks, tables_of
from glowpy.flow.ops.keys import check_pairs, hashing_error
from glowpy.flow.ops.memory import batches_from
from glowpy.flow.ops.merging import firsts_of
from glowpy.flow.ops.sort import local_sort
from glowpy.flow.ops.sort_keys import NATURAL
from glowpy.flow.ops.sorted_runs import Table
from glowpy.flow.ops.value_lists import value_lists_input

_OPERATOR = "broadcast_join"


def add_broadcast_join_step(
    graph: Graph, left: DatasetNode, right: DatasetNode, left_outer: bool
) -> DatasetNode:
    """Append a BroadcastJoin: task i reads shard i of the left side and the whole right side."""
    return graph.add_step(
        "BroadcastJoin",
        BatchOp(partial(broadcast_join_kernel, bool(left_outer))),
        ((left, ONE_TO_ONE), (right, BROADCAST)),
        user_location(),
        task_count=left.shard_count,
        partitioned_by_key=left.partitioned_by_key,
        sorted_by_key=left.sorted_by_key,
    )


def broadcast_join_kernel(
    left_outer: bool, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """(K, A), (K, B) → (K, A, B), in the order of the left rows, then of the right rows."""
    left, right = edges
    side = value_lists_input(right, _OPERATOR)
    tables = tables_of(side, context.budget_bytes)
    table, _size_bytes, is_all = next(tables)
    if is_all:
        check_tables([table])
        yield from combined(_found(table, left_outer, left))
        return
    rows = _rows_of(side, table, (more for more, _size_bytes, _is_all in tables))
    yield from _join_through_disk(context, left, side._replace(rows=rows), left_outer)


def _found(table: Table, left_outer: bool, left: Sequence[Stream]) -> Iterator[Match]:
    missing: Batch = NOTHING if left_outer else []
    are_copied = hold_mutable(table)
    is_left_repeated = any(len(values) > 1 for values in table.values())
    for batch in chain(left):
        check_pairs(batch, _OPERATOR)
        try:
            found = [table.get(key, missing) for key, _value in batch]
        except TypeError as exc:
            raise hashing_error(firsts_of(batch), exc) from exc
        for (key, value), others in zip(batch, found, strict=True):
            if not others:
                continue
            if are_copied or (is_left_repeated and not are_immutable((value,))):
                yield from copies_of((key, [value], others))
            else:
                yield key, [value], others


def _rows_of(side: KeyedInput, first: Table, others: Iterator[Table]) -> Stream:
    """Yield the rows of tables, each of which is emptied after its turn."""
    yield from batches_from(side.ops.rows_of(first, list(first)))
    for table in others:
        yield from batches_from(side.ops.rows_of(table, list(table)))


def _join_through_disk(
    context: TaskContext, left: Sequence[Stream], right: KeyedInput, left_outer: bool
) -> Stream:
    sides = [value_lists_input([_numbered(left)], _OPERATOR), right]
    dropped = 1 if left_outer else 0
    found = grouped_chunks(context, sides, is_first_streamed=True, filtered=dropped)
    rows = combined(matches(found, left_outer, right_outer=False))
    by_place = (
        [(place, (key, value, other)) for _key, (place, key, value), other in batch]
        for batch in rows
    )
    for batch in local_sort(NATURAL, context, [[by_place]]):
        yield [row for _place, row in batch]


def _numbered(left: Sequence[Stream]) -> Stream:
    """(K, A) → (K, (place, K, A)): each row keeps its own key object beside the joined key."""
    places = count()
    for batch in chain(left):
        check_pairs(batch, _OPERATOR)
        yield [(key, (next(places), key, value)) for key, value in batch]
