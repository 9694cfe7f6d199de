"""An executor: one process that runs task group after task group of one run.

It connects to its agent, says which run it belongs to, checks that it has built the same plan as
the driver, and then does what it is told until it is retired. Scripts that an agent re-launches,
pickled flows, and forks of a standalone driver all come here.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from glowpy.environment import FAULTS_VARIABLE
from glowpy.errors import ClusterError, GlowError, ProgramError
from glowpy.flow.graph import Graph
from glowpy.planner.fingerprint import Capture, derived_again
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.secret import Secret
from glowpy.shards.segment import Block
from glowpy.stacks import offer_stack
from glowpy.task.assignment import Assignment, ExecutorContext
from glowpy.task.failure import AttemptAborted, packed
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.notes import take_notes
from glowpy.task.printing import Forwarding
from glowpy.task.pulling import Pulls
from glowpy.task.reading import Reading, Wait
from glowpy.task.title import ProcessTitle
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.address import parse_endpoint
from glowpy.wire.greeting import PYTHON
from glowpy.wire.messages import PROTOCOL_VERSION
from glowpy.wire.run_messages import (
    Abort,
    Begin,
    Commit,
    Describe,
    ExecutorHello,
    ExecutorReady,
    Noted,
    Printed,
    Progress,
    Retire,
    Stream,
)
from glowpy.wire.security import Policy
from glowpy.wire.transport import MOST_SOCKETS, Link, LinkEvent, Poller, Transport

# Between looks for messages while batches come. Not in `timing`: a look costs as much as a small
# batch does, in a test as elsewhere.
_LOOK_S = 0.005
if TYPE_CHECKING:
    from glowpy.task.streaming import StreamingAttempt, StreamingAttempts

_USUAL_THRESHOLD, _THRESHOLD = 2000, 20_000  # objects made before the youngest are looked at

FindGraph = Callable[[RunDescription], Graph]


class Executor:
    """Serves one run until it is retired or its agent is gone.

    Args:
        secret: the one-time secret by which its agent knows it.
    """

    def __init__(
        self,
        agent_address: str,
        executor: str,
        secret: Secret,
        run: str,
        find_graph: FindGraph,
        policy: Policy,
        timing: Timing,
        *,
        capture: Capture | None = None,
        most_sockets: int = MOST_SOCKETS,
    ) -> None:
        self._agent_address = agent_address
        self._executor = executor
        self._secret = secret
        self._run = run
        self._find_graph = find_graph
        self._policy = policy
        self._timing = timing
        self._capture = capture
        self._most_sockets = most_sockets
        self._aborted: set[int] = set()
        self._begun: list[Begin] = []
        self._is_retired = False
        self._live: StreamingAttempts | None = None  # made with the first
        self._forwarding = Forwarding(self._print)
        self._injector: Any = None  # of faults that a test has asked for
        if FAULTS_VARIABLE in os.environ:
            from glowpy.task.injection import Injector

            self._injector = Injector(os.environ[FAULTS_VARIABLE])

    def serve(self) -> None:
        """Run task groups until there are no more.

        Raises:
            ClusterError: the agent does not answer.
            ProgramError: this process cannot run the flow asked for; the agent has been told why.
        """
        _collect_less_often()
        offer_stack()
        with Transport(self._policy, self._timing, most_sockets=self._most_sockets) as transport:
            self._poller = Poller()
            self._link: Link = transport.connect(parse_endpoint(self._agent_address))
            self._poller.register(self._link, self._take)
            describe_message, description = self._greet()
            host, secret = describe_message.host, describe_message.secret
            plan = self._agree(description)
            pulls = Pulls(transport, self._poller, host, self._run, secret, self._timing)
            self._executor_context = ExecutorContext(
                plan, description, self._executor, host, pulls, self._forwarding
            )
            with ProcessTitle(description.run_number, plan) as self._title:
                while not self._is_retired:
                    if self._live is None:
                        self._title.idle()
                    self._wait(None)
                    while self._begun and not self._is_retired:
                        self._attempt(self._begun.pop(0))
                if self._live is not None:
                    self._live.stop_all(self._timing.shutdown_s)

    def _greet(self) -> tuple[Describe, RunDescription]:
        release = PROTOCOL_VERSION, __version__, PYTHON
        self._link.send(ExecutorHello(*release, self._run, self._executor, self._secret))
        self._secret = Secret()
        # The agent may be busy, above all one in a driver. It ends executors that are too late.
        patience_s = self._timing.executor_start_s
        deadline = time.monotonic() + patience_s
        while True:
            while (received := self._link.receive()) is not None:
                message, payload = received
                if isinstance(message, Describe):
                    return message, RunDescription.from_bytes(bytes(payload or b""))
                if isinstance(message, Retire):
                    raise ProgramError("the agent does not want this executor")
            left = deadline - time.monotonic()
            if left <= 0:
                raise ClusterError(
                    f"the agent at {self._agent_address} has not answered within {patience_s:g} s"
                )
            self._poller.poll(left)
            self._link.events()  # taken, so that the poller does not report them for ever

    def _agree(self, description: RunDescription) -> Plan:
        """Derive the plan again and compare it with the driver's."""
        try:
            plan = derived_again(description, self._find_graph(description), self._capture)
        except GlowError as exc:
            self._send_notes()  # the reason may be an unset variable or a repeated side effect
            self._link.send(ExecutorReady(self._run, self._executor, str(exc)), packed(exc) or None)
            raise
        self._send_notes()
        self._link.send(ExecutorReady(self._run, self._executor, ""))
        return plan

    def _attempt(self, begin: Begin, streaming: StreamingAttempt | None = None) -> None:
        """All of an attempt, up to telling the agent how it has ended."""
        assign, metrics = begin.assign, AttemptMetrics()
        self._title.group(assign.group)
        faults = self._injector and self._injector.begin(
            self._executor_context.plan,
            self._run,
            assign.group,
            assign.attempt,
            self._executor_context.host,
        )

        def commit(blocks: tuple[Block, ...]) -> None:
            self._link.send(Commit(self._run, assign.attempt, blocks))

        wait = self._inside(assign.attempt, metrics, streaming)
        assignment = Assignment(
            self._executor_context, begin, metrics, wait, commit, faults, streaming
        )
        ended, payload = assignment.run(is_aborted=assign.attempt in self._aborted)
        self._aborted.discard(assign.attempt)
        self._send_notes()
        self._link.send(ended, payload or None)

    def _send_notes(self) -> None:
        for note in take_notes():
            self._link.send(Noted(self._run, self._executor, *note))

    def _print(self, stream: Stream, text: str) -> None:
        self._link.send(Printed(self._run, self._executor, stream, text))

    def _inside(
        self, attempt: int, metrics: AttemptMetrics, streaming: StreamingAttempt | None
    ) -> Wait:
        """How an attempt takes messages until a time; stops it when it is aborted.

        Now and then, by the way, it says how far it has come.
        """
        pause_s = self._timing.beat_s
        next_report = metrics.begun_at + pause_s
        next_look = metrics.begun_at + _LOOK_S

        def wait(until: float, pulls: Sequence[Reading]) -> None:
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
        """Take what has come, waiting for something at most until the monotonic time `until`."""
        now = time.monotonic()
        due_at = None if self._live is None else self._live.due_at(now)
        if due_at is not None:
            until = due_at if until is None else min(until, due_at)
        for handle in self._poller.poll(None if until is None else max(0.0, until - now)):
            handle()
        if self._live is not None:
            self._live.take_turns(time.monotonic())

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

        if self._live is None:
            self._live = StreamingAttempts()
        self._live.add(
            StreamingAttempt(
                lambda streaming: self._attempt(begin, streaming),
                lambda: self._is_retired or attempt in self._aborted,
            )
        )


def _collect_less_often() -> None:
    """Batches of young rows make the garbage collector look often, and find little.

    Word count and sort take 3 to 5 percent less with this threshold, and no less without any
    collection. A threshold that the script has set is kept.
    """
    youngest, *_older = gc.get_threshold()
    if 0 < youngest <= _USUAL_THRESHOLD:
        gc.set_threshold(_THRESHOLD)
