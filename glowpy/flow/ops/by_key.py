"""reduce_by_key: one value per key, by hash aggregation (Go: flow/dataset_reduce.go).

The steps carry Glow's names; LocalSort and MergeSorted pass rows on, because LocalReduceByKey
keeps its groups in a hash table and puts them in key order itself, where keys have one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from glowpy.errors import RowError, shown
from glowpy.flow.arguments import check_reducer
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, PassOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.keys import are_totally_ordered, check_pairs


def add_reduce_by_key_steps(
    graph: Graph, source: DatasetNode, function: Callable[[Row, Row], Row]
) -> DatasetNode:
    """Append the steps of a reduce_by_key; it gives one shard, in key order if there is one."""
    check_reducer(function, "reduce_by_key")
    location = user_location()
    op = BatchOp(partial(reduce_by_key_kernel, function))
    local = source
    if not source.sorted_by_key:
        local = graph.add_pass_step("LocalSort", source, location, sorted_by_key=True)
    local = graph.add_step(
        "LocalReduceByKey", op, ((local, ONE_TO_ONE),), location, task_count=source.shard_count
    )
    merged = graph.add_step("MergeSorted", PassOp(), ((local, ALL_TO_ONE),), location, task_count=1)
    return graph.add_step("LocalReduceByKey", op, ((merged, ONE_TO_ONE),), location, task_count=1)


def reduce_by_key_kernel(
    function: Callable[[Row, Row], Row], _context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """(K, V) → (K, V), one row per key; a key's values are reduced in row order."""
    totals: dict[Row, Row] = {}
    for batch in chain(edges[0]):
        check_pairs(batch, "reduce_by_key")
        for row in batch:
            key, value = row
            try:
                is_known = key in totals
            except TypeError as exc:
                raise RowError(f"key {shown(key)} cannot be hashed: {exc}") from exc
            totals[key] = function(totals[key], value) if is_known else value
    rows = list(totals.items())
    if are_totally_ordered(totals.keys()):
        rows.sort(key=_first)
    yield rows


def _first(row: tuple[Row, Row]) -> Row:
    return row[0]
