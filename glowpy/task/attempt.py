"""One attempt of one task group, from input streams to sealed blocks: what every runner runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from glowpy.flow.ops.kernel import Stream
from glowpy.inside import in_task
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.record import NamedTuple
from glowpy.shards.segment import Block, SegmentWriter
from glowpy.task.context import Context
from glowpy.task.draws import Draws
from glowpy.task.meter import Meter
from glowpy.task.output import GroupOutput
from glowpy.task.pipeline import Tap, build

if TYPE_CHECKING:
    from glowpy.task.live import LiveAttempt


class AttemptResult(NamedTuple):
    """What a whole attempt has written; `blocks` are those not announced before."""

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
    look: Callable[[], None],
    meter: Meter | None = None,
    tap: Tap | None = None,
    live: LiveAttempt | None = None,
) -> AttemptResult:
    """Run a task group over its input streams and write its shards to one segment file.

    Args:
        commit: told of blocks as they become readable, before the attempt ends.
        look: called between batches, of what is read and what is written; may raise to stop the
            attempt.
        meter: counts what is done; the caller's streams count what they read.
        tap: every row that the group takes in goes through it.
        live: the attempt's turns; it passes on its output when its input has nothing for it.

    Raises:
        StepFailed: the user's code raised; ShardError, InputError, OutputError: the data plane did.
    """
    step_group = plan.step_group_of(group)
    meter = meter or Meter()
    wanted = 0
    if description.limit and step_group.output in plan.targets:
        from glowpy.planner.pulled import wanted_rows  # no other run needs it

        wanted = wanted_rows(step_group, description.limit)
    context = Context(
        task=group - step_group.first_group,
        task_count=step_group.task_count,
        budget_bytes=description.memory_mb << 20,
        directory=os.path.dirname(segment_path),
        meter=meter,
        wanted_rows=wanted,
        is_live=step_group.is_live,
        look=look,
        hash_seed=description.hash_seed,
    )
    draws = Draws(description, step_group.number, context.task)
    if live is None:
        draws.seed()
    else:
        live.begin_draws(draws)
    with in_task(), SegmentWriter(segment_path, nonce) as segment:
        output = GroupOutput(
            plan, group, description.sink, segment, commit, meter, description.hash_seed
        )
        if live is not None:
            live.output = output
        if step_group.pulled:
            stream = _pulled(plan, description, group, context, edges, tap)
        else:
            stream = build(step_group, context, edges, description.listings, tap)
        # Closed at once, so that a source that is read no further ends here.
        with closing(cast(Any, stream)):
            for batch in stream:
                output.write(batch[: wanted - meter.rows_out] if wanted else batch)
                if wanted and meter.rows_out >= wanted:
                    break
                look()
        blocks = output.finish()
    return AttemptResult(tuple(blocks), meter.rows_out)


def _pulled(
    plan: Plan,
    description: RunDescription,
    group: int,
    context: Context,
    edges: Sequence[Sequence[Stream]],
    tap: Tap | None,
) -> Stream:
    from glowpy.task.pulled import build_pulled

    given = {
        (place, shard.shard): stream
        for place, (shards, streams) in enumerate(zip(plan.reads(group), edges, strict=True))
        for shard, stream in zip(shards, streams, strict=True)
    }
    step_group = plan.step_group_of(group)
    listings, limit = description.listings, description.limit
    return build_pulled(step_group, context, given, listings, limit, tap)
