"""sort: LocalSort in each shard, MergeSorted in one (Go: flow/dataset_sort.go).

A user's key function is called once per row, in LocalSort; from there to the end of MergeSorted,
rows are stored as (key, row). The natural key is read from the row at each use, and so is the
result of `functools.cmp_to_key`, which cannot be pickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from glowpy.errors import RowError
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Batch, BatchOp, Kernel, Stream, TaskContext, chain
from glowpy.flow.ops.memory import BatchSizer, batches_of, size_of_rows
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, merge_within
from glowpy.flow.ops.ordering import NoOrder, is_plain, positions_in_order, sort_plain
from glowpy.flow.ops.sort_keys import NATURAL, Ordering

KEYS_OF_SHARDS = "the keys of two shards"  # in messages
_CHECKS_IN_BUDGET = 16  # number of measurements of the held rows
_MOST_UNCHECKED = 1 << 16  # rows


def add_sort_steps(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append LocalSort and MergeSorted: one shard in order, stable by (shard, position)."""
    local = add_keyed_sort_step(graph, source, order)
    return _add_merge_step(graph, local, partial(merge_sorted, order))


def add_keyed_sort_step(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append a LocalSort, whose rows are (key, row) if the user passed a key function."""
    return _add_local_step(graph, source, order, partial(local_sort, order))


def add_local_sort_step(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append a LocalSort: each shard sorted by itself."""
    return _add_local_step(graph, source, order, partial(plain_local_sort, order))


def add_merge_sorted_step(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append a MergeSorted: sorted shards merged into one."""
    return _add_merge_step(graph, source, partial(plain_merge_sorted, order))


def _add_local_step(
    graph: Graph, source: DatasetNode, order: Ordering, kernel: Kernel
) -> DatasetNode:
    if order == NATURAL and source.sorted_by_key:
        return source
    return graph.add_step(
        "LocalSort",
        BatchOp(kernel),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
        partitioned_by_key=source.partitioned_by_key,
        sorted_by_key=order == NATURAL,
    )


def _add_merge_step(graph: Graph, source: DatasetNode, kernel: Kernel) -> DatasetNode:
    edges = ((source, ALL_TO_ONE),)
    return graph.add_step("MergeSorted", BatchOp(kernel), edges, user_location(), task_count=1)


def local_sort(order: Ordering, context: TaskContext, edges: Sequence[Sequence[Stream]]) -> Stream:
    """Yield rows in key order, as (key, row) if the user passed a key function.

    Rows over the budget are written to disk in sorted runs, which are merged at the end.
    """
    block_bytes = context.budget_bytes // BLOCKS_IN_BUDGET
    with context.scratch() as runs:
        count = 0
        for rows, is_all in _sorted_runs(order, context.budget_bytes, chain(edges[0])):
            if is_all:
                yield from batches_of(rows, block_bytes)
                return
            for batch in batches_of(rows, block_bytes):
                runs.append(count, batch)
            rows.clear()
            count += 1
        streams = [runs.read(number) for number in range(count)]
        try:
            yield from merge_within(context, streams, order.keys_of, reverse=order.reverse)
        except NoOrder as exc:
            raise cannot_order(exc) from exc.reason


def merge_sorted(
    order: Ordering, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Merge sorted shards, equal keys in the order of their shards; (key, row) → row."""
    try:
        for batch in merge_within(context, edges[0], order.keys_of, reverse=order.reverse):
            yield order.rows_of(batch)
    except NoOrder as exc:
        raise cannot_order(exc, KEYS_OF_SHARDS) from exc.reason


def plain_local_sort(
    order: Ordering, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Yield rows in key order."""
    for batch in local_sort(order, context, edges):
        yield order.rows_of(batch)


def plain_merge_sorted(
    order: Ordering, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Merge sorted shards, equal keys in the order of their shards."""
    return merge_sorted(order, context, [[_keyed(order, stream) for stream in edges[0]]])


def _keyed(order: Ordering, stream: Stream) -> Stream:
    for batch in stream:
        yield order.keyed(batch)


def cannot_order(exc: NoOrder, which: str = "its keys") -> RowError:
    """Return the error of a sort whose keys have no order, with two of the keys."""
    example = ", such as key=lambda x: (x is None, x)" if exc.has_none else ""
    return RowError(
        f"sort cannot order {which}: {exc}; give sort(key=...) a function whose results can be "
        f"compared{example}"
    )


def _sorted_runs(
    order: Ordering, budget_bytes: int, stream: Stream
) -> Iterator[tuple[Batch, bool]]:
    """Yield rows in sorted runs of about the budget, each with whether it is the only one."""
    rows: Batch = []
    is_all, plain = True, True
    sizer = BatchSizer(budget_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    size_bytes = checked = 0
    for batch in sizer.resize(stream):
        keyed = order.keyed(batch)
        # Checked while the batch is in the cache; a check of all rows together takes longer.
        plain = plain and (order.is_compared or is_plain(order.keys_of(keyed)))
        rows += keyed
        if len(rows) - checked >= sizer.rows:
            before_bytes, size_bytes = size_bytes, size_of_rows(rows)
            sizer.record_size(size_bytes - before_bytes)
            checked = len(rows)
            if size_bytes > budget_bytes:
                is_all = False
                yield _sorted(rows, order, plain), is_all
                rows, size_bytes, checked, plain = [], 0, 0, True
    if rows:
        yield _sorted(rows, order, plain), is_all


def _sorted(rows: Batch, order: Ordering, plain: bool) -> Batch:
    try:
        if plain:
            sort_plain(rows, order.key_for_each(rows), order.keys_of, order.reverse)
            return rows
        keys = order.keys_of(rows)
        positions = positions_in_order(keys, reverse=order.reverse, plain=False)
        return [rows[position] for position in positions]
    except NoOrder as exc:
        raise cannot_order(exc) from exc.reason
