"""top: the largest rows, by a bounded heap in each shard (not in Glow)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from glowpy.errors import RowError
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Batch, BatchOp, Stream, TaskContext, chain
from glowpy.flow.ops.memory import MOST_ROWS, batches_of
from glowpy.flow.ops.merging import BLOCKS_IN_BUDGET
from glowpy.flow.ops.ordering import NoOrder, largest
from glowpy.flow.ops.sort_keys import Key, Ordering, ordering


def add_top_steps(graph: Graph, source: DatasetNode, count: int, key: Key | None) -> DatasetNode:
    """Append LocalTop and MergeTop: `count` rows in one shard, in descending order."""
    order = ordering(key, True, "top", by_rows=True)
    location = user_location()
    local = graph.add_step(
        "LocalTop",
        BatchOp(partial(local_top, count, order)),
        ((source, ONE_TO_ONE),),
        location,
        task_count=source.shard_count,
    )
    return graph.add_step(
        "MergeTop",
        BatchOp(partial(merge_top, count, order)),
        ((local, ALL_TO_ONE),),
        location,
        task_count=1,
    )


def local_top(
    count: int, order: Ordering, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Yield the largest rows of a shard, in the form between steps."""
    best: Batch = []
    for batch in chain(edges[0]):
        best += order.keyed(batch)
        if len(best) >= 2 * count + MOST_ROWS:  # amortised, so that each row is compared few times
            best = _largest(count, order, best)
    yield from batches_of(_largest(count, order, best), context.budget_bytes // BLOCKS_IN_BUDGET)


def merge_top(
    count: int, order: Ordering, _context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Yield the largest rows of all shards; of equal rows, those of the first shard."""
    best: Batch = []
    for batch in chain(edges[0]):
        best = _largest(count, order, best + batch)
    yield order.rows_of(best)


def _largest(count: int, order: Ordering, rows: Batch) -> Batch:
    try:
        positions = largest(count, order.keys_of(rows))
    except NoOrder as exc:
        example = ", such as key=lambda x: (x is not None, x)" if exc.has_none else ""
        raise RowError(
            f"top cannot order its keys: {exc}; give top(key=...) a function whose results can be "
            f"compared{example}"
        ) from exc.reason
    return [rows[position] for position in positions]
