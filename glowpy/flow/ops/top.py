"""top: the largest rows, by a bounded heap in each shard (Glow has none)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from heapq import nlargest

from glowpy.errors import RowError
from glowpy.flow.arguments import check_key
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Batch, BatchOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.keys import described, key_of
from glowpy.flow.ops.memory import MOST_ROWS, batches_of
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET, first_of


def add_top_steps(
    graph: Graph, source: DatasetNode, count: int, key: Callable[[Row], Row] | None
) -> DatasetNode:
    """Append LocalTop and MergeTop: `count` rows in one shard, the largest first."""
    if key is not None:
        check_key(key, "top")
    location = user_location()
    local = graph.add_step(
        "LocalTop",
        BatchOp(partial(local_top, count, key or key_of)),
        ((source, ONE_TO_ONE),),
        location,
        task_count=source.shard_count,
    )
    return graph.add_step(
        "MergeTop",
        BatchOp(partial(merge_top, count)),
        ((local, ALL_TO_ONE),),
        location,
        task_count=1,
    )


def local_top(
    count: int,
    key: Callable[[Row], Row],
    context: TaskContext,
    edges: Sequence[Sequence[Stream]],
) -> Stream:
    """The largest rows of a shard as (key, row), so that the user's key is asked for once."""
    best: Batch = []
    for batch in chain(edges[0]):
        best += [(key(row), row) for row in batch]
        if len(best) >= 2 * count + MOST_ROWS:  # so that each row is looked at few times
            best = _largest(count, best)
    yield from batches_of(_largest(count, best), context.budget_bytes // BLOCKS_IN_BUDGET)


def merge_top(count: int, _context: TaskContext, edges: Sequence[Sequence[Stream]]) -> Stream:
    """The largest of what the shards have; of equals, those of the first shard."""
    best: Batch = []
    for batch in chain(edges[0]):
        best = _largest(count, best + batch)
    yield [row for _, row in best]


def _largest(count: int, pairs: Batch) -> Batch:
    try:
        return nlargest(count, pairs, key=first_of)  # of equals, those that come first
    except TypeError as exc:
        raise RowError(
            f"top cannot order its keys: {exc} ({described([key for key, _ in pairs])}); "
            "give top(key=...) a function whose results can be compared"
        ) from exc
