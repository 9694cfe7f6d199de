"""One assignment of an executor: runs the attempt and reports its outcome to the agent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from glowpy.errors import GlowError, InputError
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.record import NamedTuple
from glowpy.shards.segment import Block
from glowpy.task.attempt import run_attempt
from glowpy.task.failure import NO_ROW, AttemptAborted, StepFailed, explain, packed
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.pipeline import RowObserver
from glowpy.task.pulling import Pull, Pulls
from glowpy.task.reading import LostInputError, Wait, streams_of
from glowpy.wire.run_messages import Assign, Begin, GroupEnded, Outcome

if TYPE_CHECKING:
    from glowpy.task.streaming import StreamingAttempt


class ExecutorContext(NamedTuple):
    """State shared by all attempts of an executor."""

    plan: Plan
    description: RunDescription
    executor: str
    host: str
    pulls: Pulls
    forwarded: Callable[[], AbstractContextManager[None]]  # within, prints go to the driver
    failed: Callable[[BaseException], None] | None = None  # called with the exception of a failure


class _End(NamedTuple):
    """The outcome of an attempt."""

    outcome: Outcome
    reason: str = ""
    payload: bytes = b""  # the exception of a failure
    blocks: tuple[Block, ...] = ()
    lost_attempt: int = -1


class Assignment:
    """One attempt of a task group.

    Args:
        wait: handles messages until a given time; raises `AttemptAborted` to stop the attempt.
        commit: called with each list of blocks that became readable.
        faults: the faults that a test has armed, or None.
        streaming: takes turns with other attempts; None unless a channel feeds the group.
    """

    def __init__(
        self,
        executor_context: ExecutorContext,
        begin: Begin,
        metrics: AttemptMetrics,
        wait: Wait,
        commit: Callable[[tuple[Block, ...]], None],
        faults: Any,
        streaming: StreamingAttempt | None,
    ) -> None:
        self._executor_context = executor_context
        self._begin = begin
        self._metrics = metrics
        self._wait = wait
        self._commit = commit
        self._faults = faults
        self._streaming = streaming
        self._opened: list[Pull] = []

    def run(self, *, is_aborted: bool) -> tuple[GroupEnded, bytes]:
        """Run the attempt; return the report for the agent and the report's payload.

        Args:
            is_aborted: the driver aborted the attempt before its start.
        """
        assign = self._begin.assign
        end = _End(outcome=Outcome.ABORTED) if is_aborted else self._end()
        if self._faults:
            self._faults.ended(end.outcome.value)
        ended = GroupEnded(
            run=self._executor_context.description.run,
            executor=self._executor_context.executor,
            group=assign.group,
            attempt=assign.attempt,
            outcome=end.outcome,
            blocks=end.blocks,
            work=self._metrics.stats(),
            reason=end.reason,
            lost_attempt=end.lost_attempt,
        )
        return ended, end.payload

    def _end(self) -> _End:
        """Run the attempt and translate every exception into an outcome."""
        plan, host, assign = (
            self._executor_context.plan,
            self._executor_context.host,
            self._begin.assign,
        )
        try:
            blocks = self._blocks()
            if self._faults:
                self._faults.end()
            return _End(outcome=Outcome.SEALED, blocks=blocks)
        except AttemptAborted:
            return _End(outcome=Outcome.ABORTED)
        except LostInputError as exc:
            return _End(outcome=Outcome.INPUT_LOST, reason=str(exc), lost_attempt=exc.attempt)
        except StepFailed as failure:
            return self._failed(failure, assign)
        except GlowError as exc:
            # an InputError names its host
            place = "" if isinstance(exc, InputError) else f" on {host}"
            return _End(
                outcome=Outcome.FAILED,
                reason=f"{plan.task_group(assign.group).label}{place}: {exc}",
                payload=packed(exc),
            )
        except BaseException as exc:  # noqa: BLE001
            # An exception from our own code, in a case without a test. A second attempt would fail
            # too.
            step = plan.step_group_of(assign.group).steps[-1]
            return self._failed(StepFailed(step, NO_ROW, exc), assign)
        finally:
            for pull in self._opened:
                pull.cancel()

    def _blocks(self) -> tuple[Block, ...]:
        """Run the attempt and return its uncommitted blocks."""
        executor_context, begin, assign = self._executor_context, self._begin, self._begin.assign
        with executor_context.forwarded(), ExitStack() as stack:
            observe_rows: RowObserver | None = self._faults and self._faults.observe_rows
            if assign.notes_rows:
                from glowpy.task.row_note import noting_rows

                observe_rows = noting_rows(stack, begin.segment_path, observe_rows)
            mixed = executor_context.plan.mixed_edges(assign.group)
            result = run_attempt(
                executor_context.plan,
                executor_context.description,
                assign.group,
                streams_of(
                    executor_context.pulls,
                    assign,
                    self._wait,
                    self._metrics,
                    mixed=mixed,
                    opened=self._opened,
                ),
                segment_path=begin.segment_path,
                nonce=begin.nonce,
                commit=lambda blocks: self._commit(tuple(blocks)),
                check_cancelled=lambda: self._wait(0.0, ()),
                metrics=self._metrics,
                observe_rows=observe_rows,
                streaming=self._streaming,
            )
        return result.blocks

    def _failed(self, failure: StepFailed, assign: Assign) -> _End:
        context = self._executor_context
        task = context.plan.task_group(assign.group).task
        if context.failed is not None:
            context.failed(failure.cause)
        story = explain(failure, task, context.host)
        return _End(outcome=Outcome.FAILED, reason=story, payload=packed(failure.cause))
