"""round_robin: rows dealt to shards in turn (not in Glow)."""

from __future__ import annotations

from glowpy.flow.arguments import check_shards
from glowpy.flow.graph import COLLECT, DatasetNode, Graph, OutputKind
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import PassOp


def add_round_robin_steps(graph: Graph, source: DatasetNode, shards: int) -> DatasetNode:
    """Append RoundRobin_scatter and RoundRobin_collect; a single shard needs no collect."""
    shards = check_shards(shards, "round_robin")
    if shards == source.shard_count == 1:
        return source
    location = user_location()
    dealt = graph.add_scatter_step(
        "RoundRobin_scatter",
        PassOp(),
        source,
        location,
        part_count=shards,
        output_kind=OutputKind.DEAL,
    )
    if source.shard_count == 1:
        return dealt
    return graph.add_step(
        "RoundRobin_collect", PassOp(), ((dealt, COLLECT),), location, task_count=shards
    )
