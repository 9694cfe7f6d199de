"""reduce: LocalReduce in each shard, then MergeReduce in one (Go: flow/dataset_reduce.go)."""

from __future__ import annotations

from collections.abc import Callable

from glowpy.flow.arguments import check_reducer
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import FoldKind, FoldOp, Row

Reducer = Callable[[Row, Row], Row]


def add_reduce_steps(graph: Graph, source: DatasetNode, function: Reducer) -> DatasetNode:
    """Append the two steps of a reduce, whose result has one row, or none."""
    check_reducer(function, "reduce")
    return _add_merge(graph, _add_local(graph, source, function), function)


def add_local_reduce_step(graph: Graph, source: DatasetNode, function: Reducer) -> DatasetNode:
    """Append a LocalReduce: one row for each shard with rows."""
    check_reducer(function, "local_reduce")
    return _add_local(graph, source, function)


def add_merge_reduce_step(graph: Graph, source: DatasetNode, function: Reducer) -> DatasetNode:
    """Append a MergeReduce: the rows of all shards folded into one, in one task."""
    check_reducer(function, "merge_reduce")
    return _add_merge(graph, source, function)


def _add_local(graph: Graph, source: DatasetNode, function: Reducer) -> DatasetNode:
    return graph.add_step(
        "LocalReduce",
        FoldOp(FoldKind.ALL, function),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
    )


def _add_merge(graph: Graph, source: DatasetNode, function: Reducer) -> DatasetNode:
    return graph.add_step(
        "MergeReduce",
        FoldOp(FoldKind.ALL, function),
        ((source, ALL_TO_ONE),),
        user_location(),
        task_count=1,
    )
