"""An executor: one process that runs task groups of one run, one after another.

The executor connects to its agent, checks that its plan equals the driver's plan, and then runs the
task groups assigned by the agent until it is retired. Scripts re-launched by an agent, pickled
flows and forks of a standalone driver all use this class.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any

from glowpy.environment import FAULTS_VARIABLE
from glowpy.errors import ClusterError, GlowError, ProgramError
from glowpy.flow.graph import Graph
from glowpy.planner.fingerprint import Capture, derived_again
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.secret import Secret
from glowpy.stacks import offer_stack
from glowpy.task.assignment import ExecutorContext
from glowpy.task.executor_loop import ExecutorLoop
from glowpy.task.failure import packed
from glowpy.task.printing import Forwarding
from glowpy.task.pulling import Pulls
from glowpy.task.title import ProcessTitle
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.address import parse_endpoint
from glowpy.wire.greeting import PYTHON
from glowpy.wire.messages import PROTOCOL_VERSION
from glowpy.wire.run_messages import (
    Describe,
    ExecutorHello,
    ExecutorReady,
    OutputStream,
    Printed,
    Retire,
)
from glowpy.wire.security import Policy
from glowpy.wire.transport import MOST_SOCKETS, Link, Poller, Transport

# new objects before the youngest generation is collected
_USUAL_THRESHOLD, _THRESHOLD = 2000, 20_000

FindGraph = Callable[[RunDescription], Graph]


class Executor:
    """Serves one run until the agent retires it or the connection to the agent ends.

    Args:
        secret: the one-time secret that proves the executor's identity to its agent.
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
        self._injector: Any = None  # of faults that a test has asked for
        if FAULTS_VARIABLE in os.environ:
            from glowpy.task.injection import Injector

            self._injector = Injector(os.environ[FAULTS_VARIABLE])

    def serve(self) -> None:
        """Run task groups until the agent retires this executor.

        Raises:
            ClusterError: the agent does not answer.
            ProgramError: this process cannot run the flow; the agent has received the reason.
        """
        _collect_less_often()
        offer_stack()
        with Transport(self._policy, self._timing, most_sockets=self._most_sockets) as transport:
            self._poller = Poller()
            self._link: Link = transport.connect(parse_endpoint(self._agent_address))
            timing = self._timing
            self._loop = ExecutorLoop(self._run, self._executor, self._link, self._poller, timing)
            describe_message, description = self._greet()
            host, secret = describe_message.host, describe_message.secret
            if description.is_debug:
                from glowpy.tracebacks import show_all

                show_all()
            plan = self._agree(description)
            pulls = Pulls(transport, self._poller, host, self._run, secret, timing)
            forwarded = Forwarding(self._print).of_group
            context = ExecutorContext(
                plan=plan,
                description=description,
                executor=self._executor,
                host=host,
                pulls=pulls,
                forwarded=forwarded,
            )
            with ProcessTitle(description.run_number, plan) as title:
                self._loop.serve(context, title, self._injector)

    def _greet(self) -> tuple[Describe, RunDescription]:
        hello = ExecutorHello(
            protocol=PROTOCOL_VERSION,
            glowpy=__version__,
            python=PYTHON,
            run=self._run,
            executor=self._executor,
            secret=self._secret,
        )
        self._link.send(hello)
        self._secret = Secret()
        # The agent may be busy, above all an agent inside a driver. It kills executors that start
        # too slowly.
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
            self._link.events()  # drained, so that the poller does not report the same events again

    def _agree(self, description: RunDescription) -> Plan:
        """Derive the plan again and compare it with the driver's."""
        try:
            plan = derived_again(description, self._find_graph(description), self._capture)
        except GlowError as exc:
            self._loop.send_notes()  # the reason may be an unset variable or a repeated side effect
            self._link.send(ExecutorReady(self._run, self._executor, str(exc)), packed(exc) or None)
            raise
        self._loop.send_notes()
        self._link.send(ExecutorReady(self._run, self._executor, ""))
        return plan

    def _print(self, stream: OutputStream, text: str) -> None:
        self._link.send(Printed(run=self._run, executor=self._executor, stream=stream, text=text))


def _collect_less_often() -> None:
    """Raise the threshold of the garbage collector, which finds little among batches of young rows.

    Word count and sort take 3 to 5 percent less time with this threshold; switching collection off
    saves no more. A threshold set by the script is kept.
    """
    youngest, *_older = gc.get_threshold()
    if 0 < youngest <= _USUAL_THRESHOLD:
        gc.set_threshold(_THRESHOLD)
