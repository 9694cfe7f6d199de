"""sort: LocalSort in each shard, MergeSorted in one (Go: flow/dataset_sort.go).

A user's key function is called once per row, in LocalSort; from there to the end of MergeSorted
rows travel as (key, row). The natural key is read off the row wherever it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from types import CodeType

from glowpy.errors import RowError
from glowpy.flow.arguments import check_key
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Batch, BatchOp, Kernel, Row, Stream, TaskContext, chain
from glowpy.flow.ops.keys import described, key_of
from glowpy.flow.ops.memory import Pace, batches_of, size_of_rows
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, KeysOf, first_of, merge_within
from glowpy.record import NamedTuple

_CHECKS_IN_BUDGET = 16  # how often the rows held are measured
_MOST_UNCHECKED = 1 << 16  # rows


Key = Callable[[Row], Row]


class Ordering(NamedTuple):
    """What rows are ordered by: the user's key or the natural one, up or down."""

    key: Key | None
    reverse: bool

    @property
    def is_natural(self) -> bool:
        return self.key is None and not self.reverse


def ordering(key: Key | None, reverse: bool, operator: str) -> Ordering:
    """The ordering that a user has asked for."""
    if key is not None:
        check_key(key, operator)
    return Ordering(key, bool(reverse))


def add_sort_steps(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append LocalSort and MergeSorted: one shard in order, stable by (shard, position)."""
    local = add_keyed_sort_step(graph, source, order)
    kernel = partial(merge_sorted, order.key is not None, order.reverse)
    return _add_merge_step(graph, local, kernel)


def add_keyed_sort_step(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append a LocalSort, whose rows are (key, row) if the key is the user's."""
    return _add_local_step(graph, source, order, partial(local_sort, order.key, order.reverse))


def add_local_sort_step(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append a LocalSort: each shard in order, by itself."""
    return _add_local_step(graph, source, order, partial(plain_local_sort, order))


def add_merge_sorted_step(graph: Graph, source: DatasetNode, order: Ordering) -> DatasetNode:
    """Append a MergeSorted: shards that are in order as one that is."""
    return _add_merge_step(graph, source, partial(plain_merge_sorted, order))


def _add_local_step(
    graph: Graph, source: DatasetNode, order: Ordering, kernel: Kernel
) -> DatasetNode:
    if order.is_natural and source.sorted_by_key:
        return source
    return graph.add_step(
        "LocalSort",
        BatchOp(kernel),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
        partitioned_by_key=source.partitioned_by_key,
        sorted_by_key=order.is_natural,
    )


def _add_merge_step(graph: Graph, source: DatasetNode, kernel: Kernel) -> DatasetNode:
    edges = ((source, ALL_TO_ONE),)
    return graph.add_step("MergeSorted", BatchOp(kernel), edges, user_location(), task_count=1)


def local_sort(
    key: Key | None,
    reverse: bool,
    context: TaskContext,
    edges: Sequence[Sequence[Stream]],
) -> Stream:
    """Rows in order of their keys, as (key, row) where the key is the user's.

    What does not fit is written to disk in sorted runs, which are merged in the end.
    """
    block_bytes = context.budget_bytes // BLOCKS_IN_BUDGET
    with context.scratch() as runs:
        count = 0
        for rows, is_all in _sorted_runs(key, reverse, context.budget_bytes, chain(edges[0])):
            if is_all:
                yield from batches_of(rows, block_bytes)
                return
            for batch in batches_of(rows, block_bytes):
                runs.append(count, batch)
            rows.clear()
            count += 1
        streams = [runs.read(number) for number in range(count)]
        yield from merge_within(context, streams, keys_of_rows(key is not None), reverse=reverse)


def merge_sorted(
    has_keys: bool, reverse: bool, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Sorted shards as one, equal keys in order of their shards; (key, row) → row."""
    try:
        for batch in merge_within(context, edges[0], keys_of_rows(has_keys), reverse=reverse):
            yield [row for _, row in batch] if has_keys else batch
    except TypeError as exc:
        if _is_raised_in(exc, keyed.__code__):
            raise
        raise cannot_order_shards(exc) from exc


def plain_local_sort(
    order: Ordering, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Rows in order of their keys."""
    for batch in local_sort(order.key, order.reverse, context, edges):
        yield batch if order.key is None else [row for _, row in batch]


def plain_merge_sorted(
    order: Ordering, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Sorted shards as one, equal keys in order of their shards."""
    if order.key is not None:
        edges = [[_with_keys(order.key, stream) for stream in edges[0]]]
    return merge_sorted(order.key is not None, order.reverse, context, edges)


def _with_keys(key: Key, stream: Stream) -> Stream:
    for batch in stream:
        yield keyed(key, batch)


def keyed(key: Key, batch: Batch) -> Batch:
    """Rows as (key, row)."""
    rows = []
    for row in batch:
        rows.append((key(row), row))  # a comprehension would forget the row that the key fails on
    return rows


def _is_raised_in(exc: BaseException, code: CodeType) -> bool:
    """True if this code was running when it was raised."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_frame.f_code is not code:
        trace = trace.tb_next
    return trace is not None


def cannot_order_shards(exc: TypeError) -> RowError:
    return RowError(f"sort cannot order the keys of two shards: {exc}; {_ADVICE}")


_ADVICE = "give sort(key=...) a function whose results can be compared"


def _sorted_runs(
    key: Key | None, reverse: bool, budget_bytes: int, stream: Stream
) -> Iterator[tuple[Batch, bool]]:
    """Rows in sorted runs of about the budget; with each: is this all?"""
    rows: Batch = []
    is_all = True
    pace = Pace(budget_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    size_bytes = checked = 0
    for batch in pace.cut(stream):
        rows += batch if key is None else keyed(key, batch)
        if len(rows) - checked >= pace.rows:
            before_bytes, size_bytes = size_bytes, size_of_rows(rows)
            pace.learn(size_bytes - before_bytes)
            checked = len(rows)
            if size_bytes > budget_bytes:
                is_all = False
                yield _sorted(rows, key is not None, reverse), is_all
                rows, size_bytes, checked = [], 0, 0
    if rows:
        yield _sorted(rows, key is not None, reverse), is_all


def _sorted(rows: Batch, has_keys: bool, reverse: bool) -> Batch:
    try:
        rows.sort(key=_row_key(rows, has_keys), reverse=reverse)
    except TypeError as exc:
        keys = described(keys_of_rows(has_keys)(rows))
        raise RowError(f"sort cannot order its keys: {exc} ({keys}); {_ADVICE}") from exc
    return rows


def _row_key(rows: Batch, has_keys: bool) -> Key:
    """The key function for these rows; itemgetter, where that does, is three times as fast."""
    if has_keys or (set(map(type, rows)) == {tuple} and all(rows)):
        return first_of
    return key_of


def keys_of_rows(has_keys: bool) -> KeysOf:
    """What takes the keys of a batch of rows, or of (key, row)."""
    if has_keys:
        return lambda batch: list(map(itemgetter(0), batch))
    return lambda batch: list(map(_row_key(batch, has_keys), batch))
