"""The inline runner for flows with channels: everything in this process, in turns.

Live groups run on strands, as in an executor, while the others run one after another. So the
driver program has to send and receive on other threads, or this is the thread of a started run.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from glowpy.driver.channels.run_channels import RunChannels
from glowpy.driver.job import Job
from glowpy.driver.local_pulls import LocalPull, LocalPulls
from glowpy.driver.rows_store import RowsStore
from glowpy.driver.scratch import scratch_directory
from glowpy.driver.stopping import check_stopped
from glowpy.driver.view.report import Report
from glowpy.planner.plan import Plan, ShardRef, StepGroup
from glowpy.planner.run_description import Sink
from glowpy.shards.pull import ShardIndex
from glowpy.shards.segment import NONCE_BYTES, Block
from glowpy.task.attempt import run_attempt
from glowpy.task.failure import StepFailed
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.reading import Reading, batches_of_pulls
from glowpy.task.streaming import StreamingAttempt, StreamingAttempts

_OWNER = "here"

Tell = Callable[[int, AttemptMetrics], None]
Fail = Callable[[StepFailed, int], Exception]


def run_with_channels(job: Job, tell: Tell, as_failed: Fail) -> Any:
    """Run a job here; returns the value of the terminal call.

    Args:
        tell: called with each group that is sealed.
        as_failed: makes a failure in a group what the user is told.

    Raises:
        TaskFailed: the user's code raised.
    """
    with scratch_directory("glowpy-inline-") as directory:
        return _InlineRun(job, directory, tell, as_failed).run()


class _InlineRun:
    def __init__(self, job: Job, directory: str, tell: Tell, as_failed: Fail) -> None:
        self._job = job
        self._plan: Plan = job.plan
        self._run = job.description.run
        self._directory = directory
        self._tell = tell
        self._as_failed = as_failed
        self._nonce = os.urandom(NONCE_BYTES)
        self._index = ShardIndex()
        self._pulls = LocalPulls(self._index, self._run, job.timing.beat_s)
        self._store = RowsStore(self._run, None, directory, self._index, self._pulls.serve)
        self._channels = RunChannels(job, self._store, self._pulls)
        self._report = Report(job.timing, is_quiet=job.options.quiet)
        self._live = StreamingAttempts()
        self._unsealed = {each.number: each.task_count for each in self._plan.step_groups}
        self._begun: set[int] = set()  # live step groups
        self._first_attempt = job.plan.first_attempt
        self._row_count = 0

    def run(self) -> Any:
        job, control = self._job, self._job.control
        self._store.keep_slices(self._plan)
        self._bell = control.open()
        try:
            with self._channels:
                control.begin()
                try:
                    self._run_all()
                    return self._result()
                finally:
                    self._live.stop_all(job.timing.shutdown_s)
        finally:
            control.close()

    def _run_all(self) -> None:
        left = list(self._plan.step_groups)
        while left:
            for each in left:
                if each.is_streaming and self._can_begin(each):
                    self._begin(each)
            ready = (each for each in left if not each.is_streaming and self._can_begin(each))
            step_group = next(ready, None)
            if step_group is None:
                self._pump(self._next_beat(), _never)
            else:
                for group in step_group.groups:
                    self._run_group(group)
            left = [each for each in left if self._unsealed[each.number]]
        while not self._channels.is_done:
            self._pump(self._next_beat(), lambda: self._channels.is_done)

    def _can_begin(self, step_group: StepGroup) -> bool:
        """What it reads is sealed, or is live and has begun."""
        sources = [edge.source for edge in step_group.inputs if edge.source >= 0]
        return step_group.number not in self._begun and all(
            not self._unsealed[source] or (step_group.is_streaming and source in self._begun)
            for source in sources
        )

    def _begin(self, step_group: StepGroup) -> None:
        self._begun.add(step_group.number)
        for group in step_group.groups:
            self._live.add(StreamingAttempt(partial(self._run_group, group), lambda: False))

    def _next_beat(self) -> float:
        return self._pulls.deadline(self._pulls.clock())

    def _pump(self, until: float, has_come: Callable[[], bool]) -> None:
        """Let everybody have a turn, or wait until there is something to do.

        Args:
            has_come: what the caller waits for; the turns may bring it, and nothing would ring.
        """
        check_stopped()
        self._job.control.check()
        self._channels.advance()
        have_ended = self._live.take_turns(time.monotonic())
        self._channels.advance()
        self._channels.note_waits(self._report, self._pulls.clock())
        if have_ended or has_come():
            return  # others may have waited for an end
        due_at = self._live.due_at(time.monotonic())
        until = until if due_at is None else min(until, due_at)
        select.select([self._bell], [], [], max(0.0, until - time.monotonic()))
        self._job.control.silence()

    def _run_group(self, group: int, streaming: StreamingAttempt | None = None) -> None:
        plan, index = self._plan, self._index
        attempt, metrics = self._first_attempt + group, AttemptMetrics()
        path = os.path.join(self._directory, f"{group}.seg")
        index.open(self._run, attempt, path, self._nonce, None)
        self._channels.group_assigned(group, attempt)
        self._channels.group_begun(group, attempt, _OWNER)

        def wait(until: float, pulls: Sequence[Reading]) -> None:
            if streaming is None:
                self._pump(until, lambda: any(pull.has_news for pull in pulls))
            elif pulls:
                streaming.wait(until, pulls)
            else:
                streaming.yield_turn()

        def read(shards: Sequence[ShardRef]) -> Any:
            pulls = [self._open(shard) for shard in shards]
            yield from batches_of_pulls(self._pulls, pulls, wait, metrics)

        def commit(blocks: Sequence[Block]) -> None:
            self._pulls.serve(index.commit(self._run, attempt, blocks))

        mixed = plan.mixed_edges(group)
        try:
            outcome = run_attempt(
                plan,
                self._job.description,
                group,
                [
                    [read(shards)] if mixed[number] else [read([shard]) for shard in shards]
                    for number, shards in enumerate(plan.reads(group))
                ],
                segment_path=path,
                nonce=self._nonce,
                commit=commit,
                check_cancelled=lambda: wait(0.0, ()),
                metrics=metrics,
                streaming=streaming,
            )
        except StepFailed as failure:
            error = self._as_failed(failure, group)
            raise error from (None if error.__cause__ is None else failure.cause)
        commit(outcome.blocks)
        self._pulls.serve(index.seal(self._run, attempt))
        step_group = plan.step_group_of(group)
        self._unsealed[step_group.number] -= 1
        self._row_count += outcome.row_count if step_group.output in plan.targets else 0
        self._channels.group_done(group, attempt, _OWNER)
        self._tell(group, metrics)

    def _open(self, shard: ShardRef) -> LocalPull:
        attempt = shard.dataset if shard.group < 0 else self._first_attempt + shard.group
        return self._pulls.open(_OWNER, attempt, shard.shard)

    def _result(self) -> Any:
        result = self._job.result
        if result.sink is not Sink.DRAIN:
            for target in self._plan.targets:
                for shard in self._plan.output_shards(target):
                    pull = self._open(shard)
                    while (payload := pull.next_block()) is not None:
                        result.receive(payload)
                    result.mark()
        return result.finish(self._row_count)


def _never() -> bool:
    """Of a wait for the end of a live group, which ends every wait."""
    return False
