"""join and its outer forms: rows of two datasets that have equal keys (Go: flow/dataset_join.go).

Both sides are brought together by key in hash tables, in key order where keys have one; then each
key's rows of the left side are paired with those of the right, in row order. Over budget only one
key's rows of the right side have to be in memory at a time, those of the left side stream by.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from glowpy.flow.graph import DatasetNode, Graph
from glowpy.flow.ops.kernel import Batch, Row, Stream, TaskContext
from glowpy.flow.ops.key_tables import Window, windows
from glowpy.flow.ops.memory import BATCH_BYTES, Pace, size_of
from glowpy.flow.ops.together import add_both_partitioned, add_pair_step, check_shards_match
from glowpy.flow.ops.value_lists import lists_side

_NOTHING = [None]  # stands for the rows of a side that has none


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
    """Append a JoinPartitionedSorted: shard by shard, as they lie."""
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
    """(K, A), (K, B) → (K, A, B); None where an outer join finds nothing."""
    sides = [lists_side(each, operator) for each in edges]
    pace = Pace(BATCH_BYTES)
    rows: Batch = []
    for window in windows(context, sides, is_first_streamed=True):
        lefts, rights = window.tables
        for key in _keys(window, left_outer, right_outer):
            left, right = lefts.get(key, _NOTHING), rights.get(key, _NOTHING)
            if len(left) * len(right) > pace.most_rows:
                yield rows
                rows = []
                yield from _many(key, left, right)
                continue
            for one in left:
                for other in right:
                    rows.append((key, one, other))
            if len(rows) >= pace.rows:
                yield rows
                pace.learn(pace.rows * size_of(rows[-1]))
                rows = []
    yield rows


def _keys(window: Window, left_outer: bool, right_outer: bool) -> list[Row]:
    """The keys that have result rows; the object is that of the left side, if it has one."""
    lefts, rights = window.tables
    keys = list(lefts) if left_outer else [key for key in lefts if key in rights]
    if right_outer:
        keys += [key for key in rights if key not in lefts]
    return window.in_order(keys)


def _many(key: Row, left: Batch, right: Batch) -> Stream:
    """Every combination of more rows than a batch has."""
    pace = Pace(BATCH_BYTES)
    rows: Batch = []
    for one in left:
        position = 0
        while position < len(right):
            count = pace.rows - len(rows)
            rows += [(key, one, other) for other in right[position : position + count]]
            position += count
            if len(rows) == pace.rows:
                yield rows
                pace.learn(pace.rows * size_of(rows[-1]))
                rows = []
    yield rows
