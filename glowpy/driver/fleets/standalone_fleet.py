"""Executors on this machine, and an agent's core in the driver that looks after them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from glowpy.agent.actions import OpenDirectory, StartProcess, ToDriver
from glowpy.agent.core import AgentCore
from glowpy.agent.executors import Limits, exit_cause
from glowpy.agent.host import AgentHost, EmbedderAction
from glowpy.driver.fleets.fleet import AgentSaid, FleetEvent
from glowpy.driver.fleets.nursery import Exited, Nursery, Started, executor_name
from glowpy.driver.rows_store import RowsStore
from glowpy.driver.scheduling.events import ExecutorJoined
from glowpy.errors import ClusterError, ProgramError, TaskFailed
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.secret import Secret
from glowpy.shards.segment import NONCE_BYTES
from glowpy.timing import Timing
from glowpy.wire.run_messages import Beat, Launch, OpenRun
from glowpy.wire.transport import Poller, Server, Transport

if TYPE_CHECKING:
    from glowpy.driver.view.captured import CapturedOutput

_UNLIMITED_MB = 1 << 40
_NURSERY = "nursery"
_PEER = b"driver"


class StandaloneFleet:
    """Executors on this machine, and the shards they write.

    Args:
        prepare_fresh: makes it possible to start executors fresh; raises ProgramError if it is not.
    """

    shows_hosts = False

    def __init__(
        self,
        nursery: Nursery,
        transport: Transport,
        server: Server,
        poller: Poller,
        captured: CapturedOutput | None,
        directory: str,
        plan: Plan,
        description: RunDescription,
        worker_count: int,
        timing: Timing,
        prepare_fresh: Callable[[], None],
    ) -> None:
        if captured is not None:
            captured.forked()
        self._nursery = nursery
        self._plan = plan
        self._description = description
        self._limit = worker_count
        self._memory_mb = description.memory_mb
        self._timing = timing
        self._launched = 0
        self._prepare_fresh = prepare_fresh
        self._forked: set[str] = set()  # executors
        self._next_beat = 0.0
        self._events: list[FleetEvent] = []
        self.secret = Secret.make()
        self.transport = transport
        self.poller = poller
        self._captured = captured
        self.store_owner = self._agent = str(server.address)
        self.reader_host = description.host
        self._server = server
        self._core = AgentCore(
            owner=self._agent,
            host=description.host,
            directory=directory,
            limits=Limits(self._limit, _UNLIMITED_MB),
            timing=timing,
            make_nonce=lambda: os.urandom(NONCE_BYTES),
            make_secret=nursery.secret_of,
        )
        self._host = AgentHost(
            self._core,
            server,
            description.host,
            start=self._start,
            kill=nursery.kill,
            drain=lambda _executor: self._drain(),
            perform=self._perform,
        )
        self.poller.register(self._server, self._receive)
        self.poller.register(nursery.fileno(), self._reap)
        number, flow = description.run_number, description.flow
        opening = OpenRun(description.run, number, flow, "", "", "", {}, 0, "", self.secret)
        self._host.from_driver(_PEER, opening, description.to_bytes())
        self._host.carry_out(self._core.program_ready(description.run, 0, 0))
        self.store = RowsStore(
            description.run,
            self.secret,
            self._core.run_directory(description.run),
            self._core.index,
            self._host.shards.carry_out,
        )
        self.store.keep_slices(plan)

    def __enter__(self) -> StandaloneFleet:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._nursery.dismiss()  # it ends while the sockets are closed here
        self._host.shards.close()

    def demand(self, count: int) -> None:
        """Launch what is wanted, up to the number of workers."""
        free = self._limit - len(self._core.leases())
        for _ in range(min(count, free)):
            self._launched += 1
            executor = executor_name(self._launched)
            launch = Launch(self._description.run, executor, executor, self._memory_mb)
            self.send(self._agent, launch)
            self._events.append(ExecutorJoined(executor, self._agent))

    def send(self, agent: str, message: Any) -> None:
        self._host.from_driver(_PEER, message)

    def advance(self, now: float) -> float:
        if now >= self._next_beat:
            self._next_beat = now + self._timing.beat_s
            self._host.from_driver(_PEER, Beat(self._description.run))
        self._host.carry_out(self._core.tick(now))
        nursery = (_NURSERY, self._nursery.pid, _UNLIMITED_MB)
        for name, reason, stands_still in self._host.condemned(now, nursery):
            if name == _NURSERY:
                raise ClusterError(f"the process that starts executors cannot go on: {reason}")
            if stands_still:
                self._replace_forks(name, reason)
            else:
                self._host.kill(name, reason)
        return now + self._timing.beat_s

    def _replace_forks(self, executor: str, reason: str) -> None:
        """An executor stands still: the run goes on with fresh ones, which no fork has crippled.

        Raises:
            TaskFailed: they would stand still, too, or cannot be had.
        """
        if executor not in self._forked:
            raise TaskFailed(
                f"{self._task_of(executor)} stands still: {reason}\nIts executor is not a fork: "
                "the function itself has taken the lock, or has never released it"
            )
        if not self._nursery.starts_fresh:
            try:
                self._prepare_fresh()
            except ProgramError as exc:
                raise TaskFailed(
                    f"{self._task_of(executor)} stands still: {reason}\nThreads and locks of "
                    "libraries do not survive a fork, and new processes cannot replace the forks: "
                    f"{exc}"
                ) from None
            self._nursery.starts_fresh = True
        others = f"a new process replaces it, because {executor} stands still"
        for name, _pid, _memory_mb in list(self._core.processes()):
            if name in self._forked:
                self._host.kill(name, reason if name == executor else others)

    def _task_of(self, executor: str) -> str:
        """The task groups that an executor runs, for messages."""
        groups = self._core.about(executor).get("group", "")
        return ", ".join(self._plan.label(int(group)) for group in groups.split(",") if group)

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
            self._host.receive(*received)

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
                self._host.process_started(event.executor, event.pid)
            elif isinstance(event, Exited):
                self._host.process_ended(event.executor, exit_cause(event.code))
            else:
                self._host.start_failed(event.executor, event.reason)

    def _start(self, action: StartProcess) -> None:
        if not self._nursery.starts_fresh:
            self._forked.add(action.executor)
        self._nursery.start(action.executor, action.secret)

    def _perform(self, action: EmbedderAction) -> None:
        if isinstance(action, ToDriver):
            self._events.append(AgentSaid(self._agent, action.message, action.payload))
        elif isinstance(action, OpenDirectory):
            os.mkdir(action.directory, 0o700)
