"""The standalone runner: a cluster of one. The driver embeds an agent's core; a nursery, forked
before anything else is opened, forks the executors."""

from __future__ import annotations

import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from glowpy.agent.actions import (
    Action,
    DeleteRun,
    KillProcess,
    LeasesChanged,
    OpenDirectory,
    StartProcess,
    ToDriver,
    ToExecutor,
)
from glowpy.agent.core import AgentCore
from glowpy.agent.executors import Limits, exit_cause
from glowpy.agent.guard import Guard
from glowpy.agent.serving import ShardServer
from glowpy.driver.clock import Clock
from glowpy.driver.fleet import AgentSaid, FleetEvent
from glowpy.driver.job import Job
from glowpy.driver.nursery import Exited, Nursery, Started
from glowpy.driver.report import Report, is_screen
from glowpy.driver.rows_store import RowsStore
from glowpy.driver.run import Run
from glowpy.driver.scheduling import ExecutorJoined
from glowpy.driver.scratch import scratch_directory
from glowpy.driver.watch import Watch
from glowpy.errors import ClusterError
from glowpy.flags import Options
from glowpy.flow.graph import Graph
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.resources import cores
from glowpy.shards.segment import NONCE_BYTES
from glowpy.task.executor import Executor
from glowpy.timing import Timing
from glowpy.wire.address import IpcAddress
from glowpy.wire.run_messages import Beat, GroupEnded, Launch, OpenRun, Printed
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Transport

if TYPE_CHECKING:
    from glowpy.driver.captured import CapturedOutput

_UNLIMITED_MB = 1 << 40
_NURSERY = "nursery"
_PEER = b"driver"


def run_standalone(job: Job) -> Any:
    """Run a job on this machine's cores; returns the value of the terminal call.

    Raises:
        GlowError: the run has failed; nothing of it is left behind.
    """
    plan, description, options, timing = job.plan, job.description, job.options, job.timing
    with scratch_directory("glowpy-", for_sockets=True) as directory:
        endpoint = IpcAddress(os.path.join(directory, "agent"))
        clock = Clock(2 * timing.beat_s)
        report = Report(timing, is_quiet=options.quiet)
        poller = Poller()
        with _captured(poller, report, options) as captured:
            main = partial(
                _executor_main, job.graph, str(endpoint), description.run, timing, captured
            )
            with (
                Nursery(main, directory) as nursery,
                Transport(Policy(), timing.hurried()) as transport,
                StandaloneFleet(
                    nursery,
                    transport,
                    poller,
                    captured,
                    endpoint,
                    directory,
                    plan,
                    description,
                    options,
                    timing,
                ) as fleet,
            ):
                watch = Watch(plan, description, options, timing, report)
                return Run(job, fleet, report, watch, clock).execute()


def _captured(
    poller: Poller, report: Report, options: Options
) -> AbstractContextManager[CapturedOutput | None]:
    """What executors write is taken in, where it would get in the way of lines on a terminal."""
    if options.quiet or not is_screen(sys.stderr):
        return nullcontext()
    from glowpy.driver.captured import CapturedOutput

    return CapturedOutput(poller, report)


def _executor_main(
    graph: Graph,
    agent: str,
    run: str,
    timing: Timing,
    captured: CapturedOutput | None,
    executor: str,
) -> None:
    """The life of a forked executor."""
    if captured is not None:
        captured.attach()
    Executor(agent, executor, run, lambda _description: graph, Policy(), timing).serve()


class StandaloneFleet:
    """Executors on this machine, and the shards they write."""

    shows_hosts = False

    def __init__(
        self,
        nursery: Nursery,
        transport: Transport,
        poller: Poller,
        captured: CapturedOutput | None,
        endpoint: IpcAddress,
        directory: str,
        plan: Plan,
        description: RunDescription,
        options: Options,
        timing: Timing,
    ) -> None:
        if captured is not None:
            captured.forked()
        self._nursery = nursery
        self._description = description
        self._limit = options.workers or cores()
        self._memory_mb = options.task_memory_mb
        self._timing = timing
        self._launched = 0
        self._next_beat = 0.0
        self._events: list[FleetEvent] = []
        self.transport = transport
        self.poller = poller
        self._captured = captured
        self.store_owner = self._agent = str(endpoint)
        self.reader_host = description.host
        self._server = transport.serve(endpoint)
        self._core = AgentCore(
            owner=self._agent,
            host=description.host,
            directory=directory,
            limits=Limits(self._limit, _UNLIMITED_MB),
            timing=timing,
            make_nonce=lambda: os.urandom(NONCE_BYTES),
        )
        self._guard = Guard(timing)
        self._shards = ShardServer(self._core.index, self._server, description.host)
        self.poller.register(self._server, self._receive)
        self.poller.register(nursery.fileno(), self._reap)
        opening = OpenRun(
            description.run, description.run_number, description.flow, "", "", "", {}, 0, ""
        )
        self._carry_out(
            self._core.from_driver(_PEER, opening, description.to_bytes(), time.monotonic())
        )
        self._carry_out(self._core.program_ready(description.run, 0, 0))
        self.store = RowsStore(
            description.run,
            self._core.run_directory(description.run),
            self._core.index,
            self._shards.carry_out,
        )
        self.store.keep_slices(plan)

    def __enter__(self) -> StandaloneFleet:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._nursery.dismiss()  # it ends while the sockets are closed here
        self._shards.close()

    def demand(self, count: int) -> None:
        """Launch what is wanted, up to the number of workers."""
        free = self._limit - len(self._core.leases())
        for _ in range(min(count, free)):
            self._launched += 1
            executor = f"e{self._launched}"
            launch = Launch(self._description.run, executor, executor, self._memory_mb, 0)
            self.send(self._agent, launch)
            self._events.append(ExecutorJoined(executor, self._agent))

    def send(self, agent: str, message: Any) -> None:
        now = time.monotonic()
        self._carry_out(self._core.from_driver(_PEER, message, b"", now))

    def advance(self, now: float) -> float:
        if now >= self._next_beat:
            self._next_beat = now + self._timing.beat_s
            self._carry_out(self._core.from_driver(_PEER, Beat(self._description.run), b"", now))
        self._carry_out(self._core.tick(now))
        nursery = (_NURSERY, self._nursery.pid, _UNLIMITED_MB)
        for name, reason in self._guard.condemned(now, [nursery, *self._core.processes()]):
            if name == _NURSERY:
                raise ClusterError(f"the process that starts executors cannot go on: {reason}")
            self._carry_out(self._core.kill(name, reason))
        return now + self._timing.beat_s

    @property
    def is_settled(self) -> bool:
        return not self._events

    def events(self) -> list[FleetEvent]:
        events, self._events = self._events, []
        return events

    def waiting_for(self) -> str:
        return ""

    def _receive(self) -> None:
        while (received := self._server.receive()) is not None:
            peer, message, payload = received
            if isinstance(message, (Printed, GroupEnded)):
                self._drain()
            if not self._shards.receive(peer, message):
                self._carry_out(self._core.from_executor(peer, message, payload))

    def _drain(self) -> None:
        """What executors have written past `print` comes before what they tell afterwards."""
        if self._captured is not None:
            self._captured.drain()

    def _reap(self) -> None:
        self._drain()
        try:
            events = self._nursery.events()
        except ConnectionError as exc:
            raise ClusterError(f"the run cannot go on: {exc}") from exc
        for event in events:
            if isinstance(event, Started):
                self._carry_out(self._core.process_started(event.executor, event.pid))
            elif isinstance(event, Exited):
                cause = exit_cause(event.code)
                self._carry_out(self._core.process_exited(event.executor, cause))
            else:
                self._carry_out(self._core.start_failed(event.executor, event.reason))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, ToDriver):
                self._events.append(AgentSaid(self._agent, action.message, action.payload))
            elif isinstance(action, ToExecutor):
                self._server.send(action.peer, action.message, action.payload)
            elif isinstance(action, OpenDirectory):
                os.mkdir(action.directory, 0o700)
            elif isinstance(action, StartProcess):
                self._nursery.start(action.executor)
            elif isinstance(action, KillProcess):
                self._nursery.kill(action.executor)
            elif not isinstance(action, (DeleteRun, LeasesChanged)):
                self._shards.carry_out([action])
