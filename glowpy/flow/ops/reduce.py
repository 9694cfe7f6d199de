"""reduce: LocalReduce in each shard, then MergeReduce in one (Go: flow/dataset_reduce.go)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from glowpy.flow.arguments import check_reducer
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Row, Stream, TaskContext, chain


def add_reduce_steps(
    graph: Graph, source: DatasetNode, function: Callable[[Row, Row], Row]
) -> DatasetNode:
    """Append the two steps of a reduce; the second one's dataset holds one row, or none."""
    check_reducer(function, "reduce")
    op = BatchOp(partial(reduce_kernel, function))
    location = user_location()
    local = graph.add_step(
        "LocalReduce", op, ((source, ONE_TO_ONE),), location, task_count=source.shard_count
    )
    return graph.add_step("MergeReduce", op, ((local, ALL_TO_ONE),), location, task_count=1)


_NOTHING: Any = object()


def reduce_kernel(
    function: Callable[[Row, Row], Row], _context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """(V), (V), … → one V, in row order. No rows in, no row out."""
    total = _NOTHING
    for batch in chain(edges[0]):
        rows = iter(batch)
        if total is _NOTHING:
            total = next(rows, _NOTHING)
        for row in rows:
            total = function(total, row)
    if total is not _NOTHING:
        yield [total]
