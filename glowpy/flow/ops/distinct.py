"""distinct: equal rows once (not in Glow).

LocalDistinct drops repeated rows of its shard, as far as its memory reaches; then rows are
scattered by the hash of the whole row, and LocalDistinct drops the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from glowpy.flow.graph import COLLECT, ONE_TO_ONE, DatasetNode, Graph, OutputKind
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Kernel, PassOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.key_tables import KeyedInput, TableOps, grouped_chunks, tables_of
from glowpy.flow.ops.keys import hashing_error, result_keys, with_distinct_nans
from glowpy.flow.ops.memory import BatchSizer, batches_of
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET
from glowpy.flow.ops.sorted_runs import Table


def add_distinct_steps(graph: Graph, source: DatasetNode) -> DatasetNode:
    """Append the steps of a distinct: the same number of shards, each in order if possible."""
    shards = source.shard_count
    if shards == 1 or source.partitioned_by_key:  # equal rows have equal keys
        return _add_local_step(graph, source, distinct_kernel)
    local = _add_local_step(graph, source, partial_distinct_kernel)
    location = user_location()
    scattered = graph.add_scatter_step(
        "Partition_scatter",
        PassOp(),
        local,
        location,
        part_count=shards,
        output_kind=OutputKind.SCATTER_ROWS,
    )
    collected = graph.add_step(
        "Partition_collect", PassOp(), ((scattered, COLLECT),), location, task_count=shards
    )
    return _add_local_step(graph, collected, distinct_kernel)


def _add_local_step(graph: Graph, source: DatasetNode, kernel: Kernel) -> DatasetNode:
    return graph.add_step(
        "LocalDistinct",
        BatchOp(kernel),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
        partitioned_by_key=source.partitioned_by_key,
    )


def partial_distinct_kernel(context: TaskContext, edges: Sequence[Sequence[Stream]]) -> Stream:
    """Drop repeated rows as far as memory allows."""
    for table, _size_bytes, _is_all in tables_of(_rows_input(edges[0]), context.budget_bytes):
        yield from batches_of(list(table), context.budget_bytes // BLOCKS_IN_BUDGET)


def distinct_kernel(context: TaskContext, edges: Sequence[Sequence[Stream]]) -> Stream:
    """Drop all repeated rows; the result is in order if the rows have a total order."""
    for chunk in grouped_chunks(context, [_rows_input(edges[0])]):
        (table,) = chunk.tables
        rows = result_keys(chunk.in_order(list(table)))
        yield from batches_of(rows, context.budget_bytes // BLOCKS_IN_BUDGET)


def _rows_input(shards: Sequence[Stream]) -> KeyedInput:
    return KeyedInput(
        chain(shards),
        TableOps(empty=dict, fill=_fill, refill=_fill, rows_of=_rows_of, keys_of=list),
    )


def _fill(batches: Stream, sizer: BatchSizer, table: Table) -> Iterator[None]:
    taken = 0
    for batch in batches:
        rows = with_distinct_nans(batch)
        try:
            for row in rows:
                table.setdefault(row)
        except TypeError as exc:
            raise hashing_error(rows, exc, "row") from exc
        taken += len(batch)
        if taken >= sizer.rows:
            yield
            taken = 0


def _rows_of(_table: Table, keys: Iterable[Row]) -> Iterable[Row]:
    return keys
