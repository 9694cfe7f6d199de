"""join and its outer forms: pairs of rows with equal keys (Go: flow/dataset_join.go).

Both sides are grouped by key in hash tables, in key order if the keys have a total order; then each
key's left rows are paired with its right rows, in row order. Over budget, only the right rows of
one key have to be in memory at a time, while the left rows stream by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

from glowpy.copies import copied, hold_mutable
from glowpy.flow.graph import DatasetNode, Graph
from glowpy.flow.ops.kernel import Batch, Row, Stream, TaskContext
from glowpy.flow.ops.key_tables import KeyChunk, grouped_chunks
from glowpy.flow.ops.keys import result_keys
from glowpy.flow.ops.memory import BATCH_BYTES, BatchSizer, batches_from, size_of
from glowpy.flow.ops.together import add_both_partitioned, add_pair_step, check_shards_match
from glowpy.flow.ops.value_lists import value_lists_input

NOTHING = [None]  # the values of a side without the key

Match: TypeAlias = tuple[Row, Batch, Batch]  # a key, its left and its right values


def add_join_steps(
    graph: Graph,
    left: DatasetNode,
    right: DatasetNode,
    operator: str,
    *,
    left_outer: bool = False,
    right_outer: bool = False,
) -> DatasetNode:
    """Append the steps of a join: Partition and LocalSort for each side, JoinPartitionedSorted."""
    lefts, rights = add_both_partitioned(graph, left, right)
    return _add_join_step(graph, lefts, rights, operator, left_outer, right_outer)


def add_join_partitioned_step(
    graph: Graph, left: DatasetNode, right: DatasetNode, left_outer: bool, right_outer: bool
) -> DatasetNode:
    """Append a JoinPartitionedSorted: shard by shard, without a shuffle."""
    operator = "join_partitioned_sorted"
    check_shards_match(left, right, operator)
    return _add_join_step(graph, left, right, operator, bool(left_outer), bool(right_outer))


def _add_join_step(
    graph: Graph,
    left: DatasetNode,
    right: DatasetNode,
    operator: str,
    left_outer: bool,
    right_outer: bool,
) -> DatasetNode:
    kernel = partial(join_kernel, operator, left_outer, right_outer)
    return add_pair_step(graph, "JoinPartitionedSorted", kernel, left, right)


def join_kernel(
    operator: str,
    left_outer: bool,
    right_outer: bool,
    context: TaskContext,
    edges: Sequence[Sequence[Stream]],
) -> Stream:
    """(K, A), (K, B) → (K, A, B); None for the missing side of an outer join."""
    sides = [value_lists_input(each, operator) for each in edges]
    filtered = None
    if not (left_outer and right_outer):
        filtered = 1 if left_outer else 0
    found = grouped_chunks(context, sides, is_first_streamed=True, filtered=filtered)
    return combined(matches(found, left_outer, right_outer))


def matches(found: Iterable[KeyChunk], left_outer: bool, right_outer: bool) -> Iterator[Match]:
    """Yield the keys of the result with their values on both sides.

    The key object comes from the left side if possible. Mutable values are yielded pair by pair, as
    copies: a step that changes one row must not change another.
    """
    for chunk in found:
        lefts, rights = chunk.tables
        # Values of the right side may be repeated, in a chunk with more rows of the left side.
        is_left_repeated = any(len(values) > 1 for values in rights.values())
        are_copied = hold_mutable(rights) or (is_left_repeated and hold_mutable(lefts))
        keys = list(lefts) if left_outer else [key for key in lefts if key in rights]
        if right_outer:
            keys += [key for key in rights if key not in lefts]
        keys = chunk.in_order(keys)
        for result, key in zip(result_keys(keys), keys, strict=True):
            match = result, lefts.get(key, NOTHING), rights.get(key, NOTHING)
            if are_copied:
                yield from copies_of(match)
            else:
                yield match


def copies_of(match: Match) -> Iterator[Match]:
    """Yield the pairs of a match with copied values."""
    key, left, right = match
    for one in left:
        for other in right:
            yield key, [copied(one)], [copied(other)]


def combined(found: Iterable[Match]) -> Stream:
    """Yield every combination of a left and a right value, as (key, left, right)."""
    sizer = BatchSizer(BATCH_BYTES)
    rows: Batch = []
    for key, left, right in found:
        if len(left) * len(right) > sizer.most_rows:
            yield rows
            rows = []
            yield from batches_from((key, one, other) for one in left for other in right)
            continue
        for one in left:
            for other in right:
                rows.append((key, one, other))
        if len(rows) >= sizer.rows:
            yield rows
            sizer.record_size(sizer.rows * size_of(rows[-1]))
            rows = []
    yield rows
