"""The loop of an executor: run task groups from the agent until the executor is retired."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glowpy.shards.segment import Block
from glowpy.task.assignment import Assignment, ExecutorContext
from glowpy.task.failure import AttemptAborted
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.notes import take_notes
from glowpy.task.pulling import Pull
from glowpy.task.reading import Wait
from glowpy.timing import Timing
from glowpy.wire.run_messages import Abort, Begin, Commit, Noted, Progress, Retire
from glowpy.wire.transport import Link, LinkEvent, Poller

if TYPE_CHECKING:
    from glowpy.task.streaming import StreamingAttempt, StreamingAttempts
    from glowpy.task.title import ProcessTitle

# Between looks for messages while batches come. Not in `timing`: a look costs as much as a small
# batch does, in a test as elsewhere.
_LOOK_S = 0.005


class ExecutorLoop:
    """Serves one run over the link to the agent.

    Args:
        link: registered with the poller here.
    """

    def __init__(self, run: str, executor: str, link: Link, poller: Poller, timing: Timing) -> None:
        self._run = run
        self._executor = executor
        self._link = link
        self._poller = poller
        self._timing = timing
        self._aborted: set[int] = set()
        self._begun: list[Begin] = []
        self._is_retired = False
        self._streaming: StreamingAttempts | None = None  # made with the first
        poller.register(link, self._take)

    def serve(
        self, context: ExecutorContext, title: ProcessTitle | None = None, injector: Any = None
    ) -> None:
        """Run task groups until there are no more.

        Args:
            title: names the process by the running task group.
            injector: fires the faults of a test.
        """
        self._context = context
        self._title = title
        self._injector = injector
        try:
            while not self._is_retired:
                if self._begun:
                    self._wait(0.0)
                else:
                    if title is not None and self._streaming is None:
                        title.idle()
                    self._wait(None)
                if self._begun and not self._is_retired:
                    self._attempt(self._begun.pop(0))
        finally:
            if self._streaming is not None:
                self._streaming.stop_all(self._timing.shutdown_s)

    def retire(self) -> None:
        """End `serve`; a running attempt is aborted at the next look."""
        self._is_retired = True

    def send_notes(self) -> None:
        for note in take_notes():
            noted = Noted(
                run=self._run, executor=self._executor, subject=note.subject, text=note.text
            )
            self._link.send(noted)

    def _attempt(self, begin: Begin, streaming: StreamingAttempt | None = None) -> None:
        """Run an attempt and report the outcome to the agent."""
        assign, metrics = begin.assign, AttemptMetrics()
        if self._title is not None:
            self._title.group(assign.group)
        faults = self._injector and self._injector.begin(
            self._context.plan, self._run, assign.group, assign.attempt, self._context.host
        )

        def commit(blocks: tuple[Block, ...]) -> None:
            self._link.send(Commit(self._run, assign.attempt, blocks))

        wait = self._inside(assign.attempt, metrics, streaming)
        assignment = Assignment(self._context, begin, metrics, wait, commit, faults, streaming)
        ended, payload = assignment.run(is_aborted=assign.attempt in self._aborted)
        self._aborted.discard(assign.attempt)
        self.send_notes()
        self._link.send(ended, payload or None)

    def _inside(
        self, attempt: int, metrics: AttemptMetrics, streaming: StreamingAttempt | None
    ) -> Wait:
        """The wait function of an attempt: handles messages until a time, and reports progress.

        The function raises AttemptAborted once the attempt is aborted.
        """
        pause_s = self._timing.beat_s
        next_report = metrics.begun_at + pause_s
        next_look = metrics.begun_at + _LOOK_S

        def wait(until: float, pulls: Sequence[Pull]) -> None:
            nonlocal next_report, next_look
            if streaming is None:
                if not until and time.monotonic() < next_look:
                    return  # between two batches, and the last look was only just now
                self._wait(until)
                next_look = time.monotonic() + _LOOK_S
            elif pulls:
                streaming.wait(until, pulls)
            else:
                streaming.yield_turn()
            if attempt in self._aborted or self._is_retired:
                raise AttemptAborted
            now = time.monotonic()
            if now >= next_report:
                next_report = now + pause_s
                self._link.send(Progress(self._run, ((attempt, metrics.stats()),)))

        return wait

    def _wait(self, until: float | None) -> None:
        """Handle messages; wait for the first until the monotonic time `until` at most."""
        now = time.monotonic()
        due_at = None if self._streaming is None else self._streaming.due_at(now)
        if due_at is not None:
            until = due_at if until is None else min(until, due_at)
        for handle in self._poller.poll(None if until is None else max(0.0, until - now)):
            handle()
        if self._streaming is not None:
            self._streaming.take_turns(time.monotonic())

    def _take(self) -> None:
        while (received := self._link.receive()) is not None:
            message, _payload = received
            if isinstance(message, Begin):
                self._begin(message)
            elif isinstance(message, Abort):
                self._aborted.add(message.attempt)
            elif isinstance(message, Retire):
                self._is_retired = True
        if LinkEvent.DISCONNECTED in self._link.events():
            self._is_retired = True

    def _begin(self, begin: Begin) -> None:
        attempt = begin.assign.attempt
        if not begin.assign.is_streaming:
            self._begun.append(begin)
            return
        from glowpy.task.streaming import (  # no other run needs them
            StreamingAttempt,
            StreamingAttempts,
        )

        if self._streaming is None:
            self._streaming = StreamingAttempts()
        self._streaming.add(
            StreamingAttempt(
                lambda streaming: self._attempt(begin, streaming),
                lambda: self._is_retired or attempt in self._aborted,
            )
        )
