"""The one executor of an inline run, in the thread of the run loop.

    run loop   poll ──┐                                                      ┌── goes on
    executor          serve: attempt … look ──┐            ┌── attempt … ────┘ retired
    run loop                                  step … step ─┘

Before the run loop would wait, the executor takes over the thread. Each poll by an attempt, and
each wait of the executor, is a step of the run loop. So user functions run in the thread that
called the flow: a debugger sees their frames, and Ctrl-C interrupts them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from math import inf
from typing import Any

from glowpy.agent.actions import StartProcess, ToDriver
from glowpy.agent.host import EmbedderAction
from glowpy.driver.fleets.fleet import AgentSaid
from glowpy.driver.fleets.local_fleet import LocalFleet
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.task.assignment import ExecutorContext
from glowpy.task.executor_loop import ExecutorLoop
from glowpy.task.pulling import Pulls
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.greeting import PYTHON
from glowpy.wire.messages import PROTOCOL_VERSION
from glowpy.wire.run_messages import ExecutorHello, ExecutorReady, GroupEnded
from glowpy.wire.transport.local import HERE, LocalPoller, LocalServer, LocalTransport


class InlineFleet(LocalFleet):
    """A fleet of one executor without a process or a socket."""

    shares_memory = True

    def __init__(
        self, directory: str, plan: Plan, description: RunDescription, timing: Timing
    ) -> None:
        self._plan = plan
        self._step: Callable[[], bool] = lambda: True
        self._loop: ExecutorLoop | None = None  # of the executor that runs
        self._started: StartProcess | None = None  # the executor that runs next
        self._cause: BaseException | None = None  # the exception of the last failure
        self._is_over = False
        # the error that ended the run loop, within the executor
        self._error: BaseException | None = None
        server = LocalServer(lambda *received: self._host.receive(*received))
        self._poller = _LoopPoller(self._run_executor)
        super().__init__(
            LocalTransport(server),
            server,
            self._poller,
            directory,
            plan,
            description,
            1,
            timing,
        )

    def take_turns_with(self, step: Callable[[], bool]) -> None:
        """Set the step of the run loop: a function returning True once the run is over."""
        self._step = step

    def _start(self, action: StartProcess) -> None:
        self._started = action

    def _kill(self, executor: str) -> None:
        if self._loop is not None:
            self._loop.retire()

    def _perform(self, action: EmbedderAction) -> None:
        super()._perform(action)
        self._poller.wake()
        if isinstance(action, ToDriver) and isinstance(action.message, GroupEnded):
            cause, self._cause = self._cause, None
            self._events[-1] = AgentSaid(
                agent=self._agent, message=action.message, payload=action.payload, cause=cause
            )

    def _run_executor(self) -> bool:
        """Run the started executor until it is retired; False if there is no such executor.

        Raises:
            BaseException: the error of the run loop, or a KeyboardInterrupt.
        """
        if self._started is None or self._loop is not None:
            return False
        (run, executor, secret), self._started = self._started, None
        timing, host = self._timing, self.reader_host
        poller, link = _TurnPoller(self._turn), self.transport.connect(HERE)
        loop = self._loop = ExecutorLoop(run, executor, link, poller, timing)
        pulls = Pulls(self.transport, poller, host, run, self.secret, timing)
        link.send(
            ExecutorHello(
                protocol=PROTOCOL_VERSION,
                glowpy=__version__,
                python=PYTHON,
                run=run,
                executor=executor,
                secret=secret,
            )
        )
        link.send(ExecutorReady(run, executor, ""))
        try:
            loop.serve(
                ExecutorContext(
                    plan=self._plan,
                    description=self._description,
                    executor=executor,
                    host=host,
                    pulls=pulls,
                    forwarded=nullcontext,
                    failed=self._failed,
                )
            )
        finally:
            self._loop = None
        if self._error is not None:
            raise self._error
        if not self._is_over:
            self._host.process_ended(executor, "exit status 0")
        return True

    def _turn(self, timeout_s: float) -> None:
        """Take a step of the run loop, with a limit for its wait."""
        assert self._loop is not None
        if self._error is None:
            self._poller.most_s = timeout_s
            try:
                self._is_over = self._step()
                if self._is_over:
                    self._loop.retire()
            except BaseException as exc:  # noqa: BLE001
                # Not through the user's frames: the attempt is aborted first.
                self._error = exc
                self._loop.retire()
            finally:
                self._poller.most_s = inf

    def _failed(self, cause: BaseException) -> None:
        if isinstance(cause, KeyboardInterrupt):  # Ctrl-C reaches tasks only in this mode
            raise cause from None
        self._cause = cause


class _LoopPoller(LocalPoller):
    """The poller of the run loop. The executor runs before the poller waits."""

    def __init__(self, run_executor: Callable[[], bool]) -> None:
        super().__init__()
        self._run_executor = run_executor
        self.most_s = inf  # the longest wait, set by the executor while it polls

    def poll(self, timeout_s: float | None) -> list[Any]:
        if self._run_executor():
            return []
        return super().poll(self.most_s if timeout_s is None else min(timeout_s, self.most_s))


class _TurnPoller(LocalPoller):
    """The poller of the executor: a poll is a turn of the run loop."""

    def __init__(self, turn: Callable[[float], None]) -> None:
        super().__init__()
        self._turn = turn

    def poll(self, timeout_s: float | None) -> list[Any]:
        is_awake, self.is_awake = self.is_awake, False
        self._turn(0.0 if is_awake else inf if timeout_s is None else timeout_s)
        return []
