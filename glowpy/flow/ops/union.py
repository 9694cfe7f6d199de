"""union: the shards of several datasets side by side, without a shuffle (not in Glow)."""

from __future__ import annotations

from collections.abc import Sequence

from glowpy.flow.arguments import check_shards
from glowpy.flow.graph import DatasetNode, Edge, EdgeKind, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import PassOp


def add_union_step(graph: Graph, sources: Sequence[DatasetNode]) -> DatasetNode:
    """Append a Union step with a task for each shard of each source.

    The following steps run in the same tasks, so that the rows are written only once, after them.
    """
    inputs = []
    offset = 0
    for source in sources:
        inputs.append((source, Edge(EdgeKind.OFFSET, offset)))
        offset += source.shard_count
    check_shards(offset, "union")
    return graph.add_step("Union", PassOp(), tuple(inputs), user_location(), task_count=offset)
