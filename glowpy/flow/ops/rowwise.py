"""map, flat_map, filter and others: one call of the user's function per row.

Go: flow/dataset_map.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glowpy.flow.arguments import (
    check_no_generator,
    check_not_async,
    field_count,
    fields_with_defaults,
)
from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import RowKind, RowOp

# In Glow, flat_map is a Map with any number of output rows.
_STEP_NAMES = {
    RowKind.MAP: "Map",
    RowKind.FLAT_MAP: "FlatMap",
    RowKind.FILTER: "Filter",
    RowKind.KEY_BY: "KeyBy",
    RowKind.MAP_VALUES: "MapValues",
}
_KEEP_KEYS = {RowKind.FILTER, RowKind.MAP_VALUES}


def add_row_step(
    graph: Graph, source: DatasetNode, kind: RowKind, function: Callable[..., Any]
) -> DatasetNode:
    """Append a row step. Steps that keep each row's key keep the partitioned and sorted marks."""
    fields = field_count(function, kind.value)
    noted = 0 if fields else fields_with_defaults(function)
    if kind is not RowKind.FLAT_MAP:
        check_no_generator(function, kind.value)
    check_not_async(function, kind.value)
    return _add(
        graph,
        source,
        _STEP_NAMES[kind],
        RowOp(kind=kind, function=function, field_count=fields, noted_fields=noted),
    )


def add_for_each_step(
    graph: Graph, source: DatasetNode, function: Callable[..., Any]
) -> DatasetNode:
    """Append a ForEach step, whose rows are dropped."""
    fields = field_count(function, "for_each")
    noted = 0 if fields else fields_with_defaults(function)
    check_no_generator(function, "for_each")
    check_not_async(function, "for_each")
    return _add(
        graph,
        source,
        "ForEach",
        RowOp(kind=RowKind.MAP, function=function, field_count=fields, noted_fields=noted),
    )


def _add(graph: Graph, source: DatasetNode, name: str, op: RowOp) -> DatasetNode:
    keeps_marks = op.kind in _KEEP_KEYS
    return graph.add_step(
        name,
        op,
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
        partitioned_by_key=keeps_marks and source.partitioned_by_key,
        sorted_by_key=keeps_marks and source.sorted_by_key,
    )
