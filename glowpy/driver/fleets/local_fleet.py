"""Executors on this machine, managed by an agent's core in the driver."""

from __future__ import annotations

import os
from typing import Any

from glowpy.agent.actions import OpenDirectory, StartProcess, ToDriver
from glowpy.agent.core import AgentCore
from glowpy.agent.executors import Limits
from glowpy.agent.host import AgentHost, EmbedderAction
from glowpy.driver.fleets.fleet import AgentSaid, FleetEvent
from glowpy.driver.fleets.fork_server import executor_name
from glowpy.driver.rows_store import RowsStore
from glowpy.driver.scheduling.events import ExecutorJoined
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.secret import Secret
from glowpy.shards.segment import NONCE_BYTES
from glowpy.timing import Timing
from glowpy.wire.run_messages import Beat, Launch, OpenRun
from glowpy.wire.transport import Poller, Server, Transport

UNLIMITED_MB = 1 << 40
_PEER = b"driver"


class LocalFleet:
    """The common part of fleets on this machine.

    A derived class starts and kills executors. A context manager.
    """

    shows_hosts = False
    shares_memory = False

    def __init__(
        self,
        transport: Transport,
        server: Server,
        poller: Poller,
        directory: str,
        plan: Plan,
        description: RunDescription,
        executor_limit: int,
        timing: Timing,
    ) -> None:
        self._description = description
        self._limit = executor_limit
        self._timing = timing
        self._launched = 0
        self._next_beat = 0.0
        self._events: list[FleetEvent] = []
        self.secret = Secret.make()
        self.transport = transport
        self.poller = poller
        self.store_owner = self._agent = str(server.address)
        self.reader_host = description.host
        self._core = AgentCore(
            owner=self._agent,
            host=description.host,
            directory=directory,
            limits=Limits(executor_limit, UNLIMITED_MB),
            timing=timing,
            make_nonce=lambda: os.urandom(NONCE_BYTES),
            make_secret=self._secret_of,
        )
        self._host = AgentHost(
            self._core,
            server,
            description.host,
            start=self._start,
            kill=self._kill,
            drain=lambda _executor: self._drain(),
            perform=self._perform,
        )
        number, flow = description.run_number, description.flow
        opening = OpenRun(
            run=description.run,
            run_number=number,
            flow=flow,
            manifest="",
            program_server="",
            working_directory="",
            environment={},
            hash_seed=0,
            module="",
            secret=self.secret,
        )
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

    def __enter__(self) -> LocalFleet:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._host.shards.close()

    def demand(self, count: int) -> None:
        """Launch the wanted executors, up to the limit."""
        free = self._limit - len(self._core.leases())
        for _ in range(min(count, free)):
            self._launched += 1
            executor = executor_name(self._launched)
            launch = Launch(
                run=self._description.run,
                executor=executor,
                lease=executor,
                memory_mb=self._description.memory_mb,
            )
            self.send(self._agent, launch)
            self._events.append(ExecutorJoined(executor=executor, agent=self._agent))

    def send(self, agent: str, message: Any) -> None:
        self._host.from_driver(_PEER, message)

    def advance(self, now: float) -> float:
        if now >= self._next_beat:
            self._next_beat = now + self._timing.beat_s
            self._host.from_driver(_PEER, Beat(self._description.run))
        self._host.carry_out(self._core.tick(now))
        return now + self._timing.beat_s

    @property
    def is_settled(self) -> bool:
        return not self._events

    def events(self) -> list[FleetEvent]:
        events, self._events = self._events, []
        return events

    def waiting_for(self) -> str:
        return ""

    def _secret_of(self, _executor: str) -> Secret:
        return Secret.make()

    def _start(self, action: StartProcess) -> None:
        raise NotImplementedError

    def _kill(self, executor: str) -> None:
        raise NotImplementedError

    def _drain(self) -> None:
        """Show the output of executors outside of `print`."""

    def _perform(self, action: EmbedderAction) -> None:
        if isinstance(action, ToDriver):
            self._events.append(
                AgentSaid(agent=self._agent, message=action.message, payload=action.payload)
            )
        elif isinstance(action, OpenDirectory):
            os.mkdir(action.directory, 0o700)
