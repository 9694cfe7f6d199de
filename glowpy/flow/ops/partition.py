"""partition: rows with equal keys in one shard (Go: flow/dataset_partition.go)."""

from __future__ import annotations

from glowpy.flow.arguments import check_shards
from glowpy.flow.graph import COLLECT, DatasetNode, Graph, OutputKind
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import PassOp


def add_partition_steps(graph: Graph, source: DatasetNode, shards: int) -> DatasetNode:
    """Append Partition_scatter and Partition_collect, unless the rows are partitioned already."""
    shards = check_shards(shards, "partition")
    if source.shard_count == shards and (source.partitioned_by_key or shards == 1):
        return source
    location = user_location()
    scattered = graph.add_scatter_step(
        "Partition_scatter",
        PassOp(),
        source,
        location,
        part_count=shards,
        output_kind=OutputKind.SCATTER,
    )
    return graph.add_step(
        "Partition_collect",
        PassOp(),
        ((scattered, COLLECT),),
        location,
        task_count=shards,
        partitioned_by_key=True,
    )
