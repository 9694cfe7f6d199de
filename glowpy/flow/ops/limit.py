"""limit: the first rows of a dataset, as a dataset (not in Glow).

LocalLimit ends each task at the row limit; Limit takes the first rows of all tasks, in shard order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from glowpy.flow.arguments import check_row_count
from glowpy.flow.graph import ALL_TO_ONE, ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Stream, TaskContext, chain


def add_limit_steps(graph: Graph, source: DatasetNode, count: int) -> DatasetNode:
    """Append LocalLimit and Limit: one shard of the first `count` rows."""
    op = BatchOp(partial(limit_kernel, check_row_count(count, "limit")), is_streaming=True)
    location = user_location()
    local = source
    if source.shard_count > 1:
        local = graph.add_step(
            "LocalLimit", op, ((source, ONE_TO_ONE),), location, task_count=source.shard_count
        )
    return graph.add_step("Limit", op, ((local, ALL_TO_ONE),), location, task_count=1)


def limit_kernel(count: int, context: TaskContext, edges: Sequence[Sequence[Stream]]) -> Stream:
    """Yield the first `count` rows; a channel is read to its end, so that senders do not block."""
    if count == 0 and not context.is_streaming:
        return
    for batch in chain(edges[0]):
        yield batch[:count]
        count -= min(count, len(batch))
        if count == 0 and not context.is_streaming:
            return
