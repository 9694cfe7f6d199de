"""reduce_by_key: one value per key, by hash aggregation (Go: flow/dataset_reduce.go).

The steps carry Glow's names. LocalSort and MergeSorted pass rows unchanged, because
LocalReduceByKey keeps its groups in a hash table and sorts the keys itself, if they have a total
order.
"""

from __future__ import annotations

from collections.abc import Callable

from glowpy.errors import GlowError, RowError, unhashable
from glowpy.flow.arguments import check_reducer, check_shards
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.fold_tables import Fold, folded
from glowpy.flow.ops.kernel import FoldKind, FoldOp, PassOp, Row, Stream, TaskContext
from glowpy.flow.ops.keys import check_pairs, result_keys
from glowpy.flow.ops.memory import batches_of
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET
from glowpy.flow.ops.partition import add_partition_steps

Reducer = Callable[[Row, Row], Row]


def add_reduce_by_key_steps(
    graph: Graph, source: DatasetNode, function: Reducer, shards: int | None
) -> DatasetNode:
    """Append the steps of a reduce_by_key; shards are in key order if the keys have one.

    Without `shards`, all keys end in a single shard, as in Glow.
    """
    check_reducer(function, "reduce_by_key")
    if shards is not None:
        shards = check_shards(shards, "reduce_by_key")
    location = user_location()
    local = _add_local_sort(graph, source)
    if shards == source.shard_count and source.partitioned_by_key:
        return _add_fold_step(graph, local, function, partitioned_by_key=True)
    local = _add_fold_step(graph, local, function, is_partial=True)
    if shards is not None:
        parted = add_partition_steps(graph, local, shards)
        return _add_fold_step(graph, parted, function, partitioned_by_key=True)
    merged = graph.add_step("MergeSorted", PassOp(), ((local, ALL_TO_ONE),), location, task_count=1)
    return _add_fold_step(graph, merged, function)


def add_local_reduce_by_key_step(
    graph: Graph, source: DatasetNode, function: Reducer
) -> DatasetNode:
    """Append a LocalReduceByKey: each shard by itself."""
    check_reducer(function, "local_reduce_by_key")
    return _add_fold_step(graph, source, function)


def _add_local_sort(graph: Graph, source: DatasetNode) -> DatasetNode:
    if source.sorted_by_key:
        return source
    return graph.add_pass_step("LocalSort", source, user_location(), sorted_by_key=True)


def _add_fold_step(
    graph: Graph,
    source: DatasetNode,
    function: Reducer,
    *,
    is_partial: bool = False,
    partitioned_by_key: bool = False,
) -> DatasetNode:
    return graph.add_step(
        "LocalReduceByKey",
        FoldOp(FoldKind.BY_KEY, function, is_partial),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
        partitioned_by_key=partitioned_by_key,
    )


def combine_by_key(fold: Fold, refold: Fold, context: TaskContext, rows: Stream) -> Stream:
    """(K, V) → (K, V), one row per key in any order; values are folded in row order."""
    for chunk in folded(fold, refold, context, rows):
        yield from batches_of(list(chunk.tables[0].items()), context.budget_bytes)


def fold_by_key(fold: Fold, refold: Fold, context: TaskContext, rows: Stream) -> Stream:
    """(K, V) → (K, V), one row per key, in key order; values are folded in row order.

    Args:
        fold: folds the incoming rows, after the row steps before the fold.
        refold: folds pairs; the first pair of a key may hold a partial result.
    """
    for chunk in folded(fold, refold, context, rows):
        (table,) = chunk.tables
        keys = chunk.in_order(list(table))
        pairs = list(zip(result_keys(keys), map(table.__getitem__, keys), strict=True))
        yield from batches_of(pairs, context.budget_bytes // BLOCKS_IN_BUDGET)


def fault_of(row: Row) -> GlowError | None:
    """Return the error of a row that cannot be folded by key; None if the row is valid."""
    try:
        check_pairs([row], "reduce_by_key")
        hash(row[0])
    except RowError as exc:
        return exc
    except TypeError as exc:
        return unhashable("key", row[0], exc)
    except BaseException:  # noqa: BLE001
        return None  # raised by the key's own __hash__, which was blamed already
    return None
