"""One attempt of one task group, from input streams to sealed blocks, for every runner."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from glowpy.flow.ops.kernel import Stream
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.record import NamedTuple
from glowpy.shards.segment import Block, SegmentWriter
from glowpy.task.context import Context
from glowpy.task.draws import Draws
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.output import ShardWriter
from glowpy.task.pipeline import RowObserver, build
from glowpy.task_scope import in_task

if TYPE_CHECKING:
    from glowpy.task.streaming import StreamingAttempt


class AttemptResult(NamedTuple):
    """The output of a complete attempt; `blocks` are the uncommitted blocks."""

    blocks: tuple[Block, ...]
    row_count: int


def run_attempt(
    plan: Plan,
    description: RunDescription,
    group: int,
    edges: Sequence[Sequence[Stream]],
    *,
    segment_path: str,
    nonce: bytes,
    commit: Callable[[Sequence[Block]], None],
    check_cancelled: Callable[[], None],
    metrics: AttemptMetrics | None = None,
    observe_rows: RowObserver | None = None,
    streaming: StreamingAttempt | None = None,
) -> AttemptResult:
    """Run a task group over its input streams and write its shards to one segment file.

    Args:
        commit: called with blocks as they become readable, before the attempt ends.
        check_cancelled: called between batches of input and of output; raises to stop the attempt.
        metrics: counts rows and bytes of the output; the caller's streams count the input.
        observe_rows: wraps each stream of rows that enters the group.
        streaming: takes turns with other attempts, and flushes the output when the input is idle.

    Raises:
        StepFailed: the user's code raised.
        ShardError, InputError, OutputError: an input or the output failed.
    """
    _plan, _number, step_group, task = plan.task_group(group)
    metrics = metrics or AttemptMetrics()
    wanted = 0
    if description.limit and step_group.output in plan.targets:
        from glowpy.planner.take_plan import wanted_rows  # no other run needs it

        wanted = wanted_rows(step_group, description.limit)
    context = Context(
        task=task,
        task_count=step_group.task_count,
        budget_bytes=description.memory_mb << 20,
        directory=os.path.dirname(segment_path),
        metrics=metrics,
        wanted_rows=wanted,
        is_streaming=step_group.is_streaming,
        check_cancelled=check_cancelled,
        hash_seed=description.hash_seed,
    )
    draws = Draws(description, step_group.number, context.task)
    if streaming is None:
        draws.seed()
    else:
        streaming.begin_draws(draws)
    with in_task(), SegmentWriter(segment_path, nonce) as segment:
        output = ShardWriter(
            plan, group, description.sink, segment, commit, metrics, description.hash_seed
        )
        if streaming is not None:
            streaming.output = output
        if step_group.pulled:
            stream = _pulled(plan, description, group, context, edges, observe_rows)
        else:
            stream = build(step_group, context, edges, description.listings, observe_rows)
        # Close the stream at once, so that an unfinished source ends here.
        with closing(cast(Any, stream)):
            for batch in stream:
                output.write(batch[: wanted - metrics.rows_out] if wanted else batch)
                if wanted and metrics.rows_out >= wanted:
                    break
                check_cancelled()
        blocks = output.finish()
    return AttemptResult(tuple(blocks), metrics.rows_out)


def _pulled(
    plan: Plan,
    description: RunDescription,
    group: int,
    context: Context,
    edges: Sequence[Sequence[Stream]],
    observe_rows: RowObserver | None,
) -> Stream:
    from glowpy.task.pulled import build_take

    task_group = plan.task_group(group)
    given = {
        (place, shard.shard): stream
        for place, (shards, streams) in enumerate(zip(task_group.reads, edges, strict=True))
        for shard, stream in zip(shards, streams, strict=True)
    }
    listings, limit = description.listings, description.limit
    return build_take(task_group.step_group, context, given, listings, limit, observe_rows)
