"""The inline runner for flows without channels: one task group after another, in this thread.

For debuggers, and for tests of many small flows. Between groups, rows pass the codec and the
segment file, same as in the other modes. A run with channels or with statistics uses the scheduler
and a fleet of one executor (`inline_fleet`), which takes two to four times as long for small groups
(ADR 26).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from glowpy.driver.job import Job
from glowpy.driver.scratch import scratch_directory
from glowpy.errors import GlowError, RowError
from glowpy.flow.graph import DatasetNode
from glowpy.flow.ops.kernel import Batch, Stream
from glowpy.flow.ops.source import slice_shard
from glowpy.planner.plan import Plan, ShardRef
from glowpy.planner.run_description import Sink
from glowpy.shards.codec import decode, encode
from glowpy.shards.segment import NONCE_BYTES, Block, SegmentReader
from glowpy.task.attempt import run_attempt
from glowpy.task.draws import kept_generators
from glowpy.task.failure import StepFailed, explain, packed, unpacked
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.notes import take_notes


def run_inline(job: Job) -> Any:
    """Run a job in this thread and return the value of the terminal call.

    Raises:
        TaskFailed: the user's code raised.
    """
    plan, result, options = job.plan, job.result, job.options
    if job.has_channels or options.flow_stat or options.log_level:
        from glowpy.driver.inline_run import run_on_inline_fleet

        return run_on_inline_fleet(job)
    job.control.begin()
    with scratch_directory("glowpy-inline-") as directory, kept_generators(), _noted(job):
        store = _InlineStore(directory)
        for step_group in plan.step_groups:
            for edge in step_group.inputs:
                if edge.source < 0:
                    try:
                        store.keep_rows(edge.dataset)
                    except RowError as exc:
                        from glowpy.driver.rows_store import of_slice

                        raise of_slice(plan, edge.dataset, exc) from exc
        groups = iter(range(plan.group_count))  # sources before their readers
        if result.sink is Sink.DRAIN:
            row_count = 0
            for group in groups:
                rows = _run_group(job, group, store)
                row_count += rows if plan.step_group_of(group).output in plan.targets else 0
            return result.finish(row_count)
        shards = (shard for target in plan.targets for shard in plan.output_shards(target))
        while not result.is_complete and (shard := next(shards, None)) is not None:
            while not store.has(shard):
                _run_group(job, next(groups), store)
            for payload in store.payloads(shard):
                result.receive(payload)
            result.mark()
        return result.finish(0)


class _InlineStore:
    """Blocks of every shard written so far."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.nonce = os.urandom(NONCE_BYTES)
        self._blocks: dict[tuple[int, int], list[Block]] = {}  # by (group, shard)
        self._rows: dict[tuple[int, int], bytes] = {}  # by (dataset, shard)
        self._sealed: set[int] = set()  # groups

    def path(self, group: int) -> str:
        return os.path.join(self._directory, f"{group}.seg")

    def keep_rows(self, dataset: DatasetNode) -> None:
        for shard in range(dataset.shard_count):
            self._rows[dataset.id, shard] = encode(list(slice_shard(dataset, shard)))

    def commit(self, group: int, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self._blocks.setdefault((group, block.shard), []).append(block)

    def seal(self, group: int, blocks: Sequence[Block]) -> None:
        self.commit(group, blocks)
        self._sealed.add(group)

    def has(self, shard: ShardRef) -> bool:
        """Return True if the whole shard can be read."""
        return shard.group < 0 or shard.group in self._sealed

    def read(self, shard: ShardRef, metrics: AttemptMetrics) -> Iterator[Batch]:
        """Yield the rows of a shard, counted in `metrics`."""
        for payload in self.payloads(shard):
            batch = decode(payload)
            metrics.rows_in += len(batch)
            metrics.bytes_in += len(payload)
            yield batch

    def payloads(self, shard: ShardRef) -> Iterator[bytes]:
        """Yield the blocks of a shard."""
        if shard.group < 0:
            yield self._rows[shard.dataset, shard.shard]
            return
        blocks = self._blocks.get((shard.group, shard.shard))
        if blocks:
            with SegmentReader(self.path(shard.group), self.nonce) as reader:
                for block in blocks:
                    yield reader.read(block)


@contextmanager
def _noted(job: Job) -> Iterator[None]:
    """Print the notes of task groups at the end."""
    try:
        yield
    finally:
        notes = take_notes()
        if notes:
            from glowpy.driver.view.report import Report

            report = Report(job.timing, is_quiet=job.options.quiet)
            for note in notes:
                report.note_once(note.subject, note.text)


def _run_group(job: Job, group: int, store: _InlineStore) -> int:
    plan, metrics = job.plan, AttemptMetrics()
    edges: list[list[Stream]] = [
        [store.read(shard, metrics) for shard in edge] for edge in plan.task_group(group).reads
    ]
    try:
        outcome = run_attempt(
            plan,
            job.description,
            group,
            edges,
            segment_path=store.path(group),
            nonce=store.nonce,
            commit=lambda blocks: store.commit(group, blocks),
            check_cancelled=job.control.check,
            metrics=metrics,
        )
    except StepFailed as failure:
        if isinstance(failure.cause, KeyboardInterrupt):
            raise failure.cause from None  # Ctrl-C reaches tasks only in this mode
        error = _as_failed(plan, failure, group)
        # the exception itself, not a copy: a debugger needs its frames
        raise error from (None if error.__cause__ is None else failure.cause)
    store.seal(group, outcome.blocks)
    return outcome.row_count


def _as_failed(plan: Plan, failure: StepFailed, group: int) -> GlowError:
    """Return the user's error for a failure in a group."""
    task = plan.task_group(group).task
    return unpacked(explain(failure, task, ""), packed(failure.cause))
