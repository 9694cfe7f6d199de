"""reduce: LocalReduce in each shard, then MergeReduce in one (Go: flow/dataset_reduce.go)."""

from __future__ import annotations

from collections.abc import Callable

from glowpy.flow.arguments import check_reducer
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import FoldKind, FoldOp, Row


def add_reduce_steps(
    graph: Graph, source: DatasetNode, function: Callable[[Row, Row], Row]
) -> DatasetNode:
    """Append the two steps of a reduce; the second one's dataset holds one row, or none."""
    check_reducer(function, "reduce")
    op = FoldOp(FoldKind.ALL, function)
    location = user_location()
    local = graph.add_step(
        "LocalReduce", op, ((source, ONE_TO_ONE),), location, task_count=source.shard_count
    )
    return graph.add_step("MergeReduce", op, ((local, ALL_TO_ONE),), location, task_count=1)
