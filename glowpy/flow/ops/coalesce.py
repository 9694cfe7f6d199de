"""coalesce: consecutive shards joined into one, without a shuffle (not in Glow)."""

from __future__ import annotations

from glowpy.flow.arguments import check_shards
from glowpy.flow.graph import DatasetNode, Edge, EdgeKind, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import PassOp


def add_coalesce_step(graph: Graph, source: DatasetNode, shards: int) -> DatasetNode:
    """Append a Coalesce, whose tasks each read several shards; no step if there are too few."""
    shards = check_shards(shards, "coalesce")
    if source.shard_count <= shards:
        return source
    edge = Edge(EdgeKind.CONSECUTIVE, reader_count=shards)
    return graph.add_step(
        "Coalesce", PassOp(), ((source, edge),), user_location(), task_count=shards
    )
