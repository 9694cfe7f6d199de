"""One assignment of an executor: its attempt, and how that has ended, as the agent is told."""

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
    """What all attempts of an executor have in common."""

    plan: Plan
    description: RunDescription
    executor: str
    host: str
    pulls: Pulls
    forwarded: Callable[[], AbstractContextManager[None]]  # within, prints go to the driver
    failed: Callable[[BaseException], None] | None = None  # called with the exception of a failure


class _End(NamedTuple):
    """How an attempt has ended."""

    outcome: Outcome
    reason: str = ""
    payload: bytes = b""  # the exception of a failure
    blocks: tuple[Block, ...] = ()
    lost_attempt: int = -1


class Assignment:
    """One attempt of a task group.

    Args:
        wait: how it takes messages until a time; raises `AttemptAborted` to stop it.
        commit: told of blocks as they become readable.
        faults: those that a test has asked for, if any.
        streaming: its turns, if a channel feeds it.
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
        """All of the attempt; what the agent is to be told of its end, and the payload of that.

        Args:
            is_aborted: it was told to stop before it began.
        """
        assign = self._begin.assign
        end = _End(Outcome.ABORTED) if is_aborted else self._end()
        if self._faults:
            self._faults.ended(end.outcome.value)
        ended = GroupEnded(
            self._executor_context.description.run,
            self._executor_context.executor,
            assign.group,
            assign.attempt,
            end.outcome,
            end.blocks,
            self._metrics.stats(),
            end.reason,
            end.lost_attempt,
        )
        return ended, end.payload

    def _end(self) -> _End:
        """Run the attempt; whatever comes out of it is one of the ways in which they end."""
        plan, host, assign = (
            self._executor_context.plan,
            self._executor_context.host,
            self._begin.assign,
        )
        try:
            blocks = self._blocks()
            if self._faults:
                self._faults.end()
            return _End(Outcome.SEALED, blocks=blocks)
        except AttemptAborted:
            return _End(Outcome.ABORTED)
        except LostInputError as exc:
            return _End(Outcome.INPUT_LOST, str(exc), lost_attempt=exc.attempt)
        except StepFailed as failure:
            return self._failed(failure, assign)
        except GlowError as exc:
            place = "" if isinstance(exc, InputError) else f" on {host}"  # it has it already
            return _End(Outcome.FAILED, f"{plan.label(assign.group)}{place}: {exc}", packed(exc))
        except BaseException as exc:  # noqa: BLE001
            # In a corner that nobody thought of; once more would be the same.
            step = plan.step_group_of(assign.group).steps[-1]
            return self._failed(StepFailed(step, NO_ROW, exc), assign)
        finally:
            for pull in self._opened:
                pull.cancel()

    def _blocks(self) -> tuple[Block, ...]:
        """Run the attempt; its blocks that have not been committed."""
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
        task = assign.group - context.plan.step_group_of(assign.group).first_group
        if context.failed is not None:
            context.failed(failure.cause)
        story = explain(failure, task, context.host)
        return _End(Outcome.FAILED, story, packed(failure.cause))
