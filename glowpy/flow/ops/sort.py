"""sort: LocalSort in each shard, MergeSorted in one (Go: flow/dataset_sort.go).

A user's key function is called once per row, in LocalSort; from there to the end of MergeSorted
rows travel as (key, row). The natural key is read off the row wherever it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter

from glowpy.errors import RowError
from glowpy.flow.arguments import check_key
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Batch, BatchOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.keys import key_of
from glowpy.flow.ops.memory import Pace, batches_of, size_of_rows
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, first_of, merge_within

_CHECKS_IN_BUDGET = 16  # how often the rows held are measured
_MOST_UNCHECKED = 1 << 16  # rows


def add_sort_steps(
    graph: Graph, source: DatasetNode, key: Callable[[Row], Row] | None, reverse: bool
) -> DatasetNode:
    """Append LocalSort and MergeSorted: one shard in order, stable by (shard, position)."""
    if key is not None:
        check_key(key, "sort")
    location = user_location()
    is_natural = key is None and not reverse
    local = source
    if not (source.sorted_by_key and is_natural):
        local = graph.add_step(
            "LocalSort",
            BatchOp(partial(local_sort, key, bool(reverse))),
            ((source, ONE_TO_ONE),),
            location,
            task_count=source.shard_count,
            partitioned_by_key=key is None and source.partitioned_by_key,
            sorted_by_key=is_natural,
        )
    merge = BatchOp(partial(merge_sorted, key is not None, bool(reverse)))
    return graph.add_step("MergeSorted", merge, ((local, ALL_TO_ONE),), location, task_count=1)


def local_sort(
    key: Callable[[Row], Row] | None,
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
        yield from merge_within(context, streams, _keys_of(key is not None), reverse=reverse)


def merge_sorted(
    has_keys: bool, reverse: bool, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Sorted shards as one, equal keys in order of their shards; (key, row) → row."""
    try:
        for batch in merge_within(context, edges[0], _keys_of(has_keys), reverse=reverse):
            yield [row for _, row in batch] if has_keys else batch
    except TypeError as exc:
        raise RowError(f"sort cannot order the keys of two shards: {exc}; {_ADVICE}") from exc


_ADVICE = "give sort(key=...) a function whose results can be compared"


def _sorted_runs(
    key: Callable[[Row], Row] | None, reverse: bool, budget_bytes: int, stream: Stream
) -> Iterator[tuple[Batch, bool]]:
    """Rows in sorted runs of about the budget; with each: is this all?"""
    rows: Batch = []
    is_all = True
    pace = Pace(budget_bytes // _CHECKS_IN_BUDGET, _MOST_UNCHECKED)
    size_bytes = checked = 0
    for batch in pace.cut(stream):
        rows += batch if key is None else [(key(row), row) for row in batch]
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
        keys = _keys_of(has_keys)(rows)
        kinds = ", ".join(sorted({type(each).__qualname__ for each in keys}))
        raise RowError(
            f"sort cannot order its keys: {exc} (keys are of type {kinds}); {_ADVICE}"
        ) from exc
    return rows


def _row_key(rows: Batch, has_keys: bool) -> Callable[[Row], Row]:
    """The key function for these rows; itemgetter, where that does, is three times as fast."""
    if has_keys or (set(map(type, rows)) == {tuple} and all(rows)):
        return first_of
    return key_of


def _keys_of(has_keys: bool) -> Callable[[Batch], Batch]:
    """Batch → its keys."""
    if has_keys:
        return lambda batch: list(map(itemgetter(0), batch))
    return lambda batch: list(map(_row_key(batch, has_keys), batch))
