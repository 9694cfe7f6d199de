"""Steps that place equal keys of one or two datasets in shards of the same number."""

from __future__ import annotations

from glowpy.flow.arguments import definition_error
from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Kernel
from glowpy.flow.ops.partition import add_partition_steps


def add_partitioned_steps(graph: Graph, source: DatasetNode, shards: int) -> DatasetNode:
    """Append Partition and LocalSort, which place equal keys in one of `shards` shards."""
    partitioned = add_partition_steps(graph, source, shards)
    if partitioned.sorted_by_key:
        return partitioned
    return graph.add_pass_step("LocalSort", partitioned, user_location(), sorted_by_key=True)


def add_both_partitioned(
    graph: Graph, left: DatasetNode, right: DatasetNode
) -> tuple[DatasetNode, DatasetNode]:
    """Append steps that place equal keys of both datasets in shards of the same number."""
    lefts = add_partitioned_steps(graph, left, left.shard_count)
    if left is right:
        return lefts, lefts
    return lefts, add_partitioned_steps(graph, right, left.shard_count)


def check_shards_match(left: DatasetNode, right: DatasetNode, operator: str) -> None:
    """Refuse two datasets with different numbers of shards.

    Raises:
        DefinitionError: names the operator and both numbers.
    """
    if left.shard_count != right.shard_count:
        raise definition_error(
            f"{operator}() needs two datasets with equal keys in shards of one number, but these "
            f"have {left.shard_count} and {right.shard_count} shards; partition(n) both alike"
        )


def add_pair_step(
    graph: Graph, name: str, kernel: Kernel, left: DatasetNode, right: DatasetNode
) -> DatasetNode:
    """Append a step whose task i reads shard i of two datasets."""
    return graph.add_step(
        name,
        BatchOp(kernel),
        ((left, ONE_TO_ONE), (right, ONE_TO_ONE)),
        user_location(),
        task_count=left.shard_count,
    )
