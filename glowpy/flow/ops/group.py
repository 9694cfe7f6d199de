"""group_by_key, cogroup: all values of a key in one row (Go: flow/dataset_cogroup.go).

The steps carry Glow's names. LocalSort passes rows unchanged, because the following step groups
rows in hash tables and sorts the keys itself, if they have a total order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Row, Stream, TaskContext
from glowpy.flow.ops.key_tables import grouped_chunks
from glowpy.flow.ops.keys import result_keys
from glowpy.flow.ops.memory import batches_from
from glowpy.flow.ops.sorted_runs import Table
from glowpy.flow.ops.together import (
    add_both_partitioned,
    add_pair_step,
    add_partitioned_steps,
    check_shards_match,
)
from glowpy.flow.ops.value_lists import value_lists_input


def add_group_by_key_steps(graph: Graph, source: DatasetNode) -> DatasetNode:
    """Append the steps of a group_by_key: Partition, LocalSort, LocalGroupByKey."""
    return _add_local_group_step(
        graph, add_partitioned_steps(graph, source, source.shard_count), "group_by_key"
    )


def add_local_group_by_key_step(graph: Graph, source: DatasetNode) -> DatasetNode:
    """Append a LocalGroupByKey: each shard by itself."""
    return _add_local_group_step(graph, source, "local_group_by_key")


def _add_local_group_step(graph: Graph, source: DatasetNode, operator: str) -> DatasetNode:
    return graph.add_step(
        "LocalGroupByKey",
        BatchOp(partial(group_kernel, operator)),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
    )


def add_cogroup_steps(graph: Graph, left: DatasetNode, right: DatasetNode) -> DatasetNode:
    """Append the steps of a cogroup: Partition, LocalSort of each, CoGroupPartitionedSorted."""
    lefts, rights = add_both_partitioned(graph, left, right)
    return _add_cogroup_step(graph, lefts, rights, "cogroup")


def add_cogroup_partitioned_step(
    graph: Graph, left: DatasetNode, right: DatasetNode
) -> DatasetNode:
    """Append a CoGroupPartitionedSorted: shard by shard, without a shuffle."""
    check_shards_match(left, right, "cogroup_partitioned_sorted")
    return _add_cogroup_step(graph, left, right, "cogroup_partitioned_sorted")


def _add_cogroup_step(
    graph: Graph, left: DatasetNode, right: DatasetNode, operator: str
) -> DatasetNode:
    kernel = partial(cogroup_kernel, operator)
    return add_pair_step(graph, "CoGroupPartitionedSorted", kernel, left, right)


def group_kernel(operator: str, context: TaskContext, edges: Sequence[Sequence[Stream]]) -> Stream:
    """(K, V) → (K, [V]), one row for each key of the shard."""
    for chunk in grouped_chunks(context, [value_lists_input(edges[0], operator)]):
        (table,) = chunk.tables
        yield from batches_from(_taken(chunk.in_order(list(table)), table))


def _taken(keys: list[Row], table: Table) -> Iterator[Row]:
    results = zip(result_keys(keys), keys, strict=True)
    return ((result, table.pop(key)) for result, key in results)


def cogroup_kernel(
    operator: str, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """(K, A), (K, B) → (K, [A], [B]), one row for each key of either side."""
    for chunk in grouped_chunks(context, [value_lists_input(each, operator) for each in edges]):
        lefts, rights = chunk.tables
        keys = list(lefts)
        keys += [key for key in rights if key not in lefts]
        keys = chunk.in_order(keys)
        yield from batches_from(
            (result, lefts.pop(key, None) or [], rights.pop(key, None) or [])
            for result, key in zip(result_keys(keys), keys, strict=True)
        )
