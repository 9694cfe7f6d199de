"""sort: LocalSort in each shard, MergeSorted in one (Go: flow/dataset_sort.go)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from glowpy.errors import RowError
from glowpy.flow.arguments import definition_error
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.keys import key_of


def add_sort_steps(
    graph: Graph, source: DatasetNode, key: Callable[[Row], Row] | None, reverse: bool
) -> DatasetNode:
    """Append LocalSort and MergeSorted: one shard in order, stable by (shard, position)."""
    if key is not None and not callable(key):
        raise definition_error(f"sort() needs a function as key, not {key!r}")
    location = user_location()
    op = BatchOp(partial(sort_kernel, key or key_of, bool(reverse)))
    local = source
    if not (source.sorted_by_key and key is None and not reverse):
        local = graph.add_step(
            "LocalSort",
            op,
            ((source, ONE_TO_ONE),),
            location,
            task_count=source.shard_count,
            partitioned_by_key=source.partitioned_by_key,
            sorted_by_key=key is None and not reverse,
        )
    return graph.add_step("MergeSorted", op, ((local, ALL_TO_ONE),), location, task_count=1)


def sort_kernel(
    key: Callable[[Row], Row],
    reverse: bool,
    _context: TaskContext,
    edges: Sequence[Sequence[Stream]],
) -> Stream:
    """Rows in order of their keys. Merging sorted shards is the same: the sort finds their runs."""
    rows = [row for batch in chain(edges[0]) for row in batch]
    keys = [key(row) for row in rows]
    try:
        order = sorted(range(len(rows)), key=keys.__getitem__, reverse=reverse)
    except TypeError as exc:
        kinds = ", ".join(sorted({type(each).__qualname__ for each in keys}))
        raise RowError(
            f"sort cannot order its keys: {exc} (keys are of type {kinds}); "
            "give sort(key=...) a function whose results can be compared"
        ) from exc
    if rows:
        yield [rows[position] for position in order]
