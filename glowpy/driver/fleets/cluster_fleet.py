"""Executors on a cluster: leases of the master, and links to the agents that they are of."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from glowpy.driver.clock import Clock
from glowpy.driver.fleets.fleet import AgentSaid, FleetEvent, FleetFailed
from glowpy.driver.fleets.hints import with_hints
from glowpy.driver.fleets.leasing import Leasing
from glowpy.driver.fleets.own_server import OwnServer
from glowpy.driver.fleets.remote_agent import RemoteAgent, State, opening_of
from glowpy.driver.fleets.sent_environment import SentEnvironment
from glowpy.driver.fleets.shipping import OwnPaths, Shipment
from glowpy.driver.scheduling.events import AgentLost, ExecutorJoined, ShareChanged
from glowpy.environment import UNSENT_SUBJECT
from glowpy.errors import GlowError, VersionMismatch
from glowpy.flags import Options
from glowpy.locality import Place
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
from glowpy.wire.messages import Lease, Welcome
from glowpy.wire.run_messages import (
    Beat,
    CloseRun,
    ExecutorExited,
    GroupEnded,
    Launch,
    Launched,
    LaunchRefused,
    Noted,
    Printed,
    Refusal,
    RunClosed,
    RunOpened,
    RunRefused,
)
from glowpy.wire.transport import LinkEvent, Poller, Transport


class ClusterFleet:
    """Executors for one run on a cluster. A context manager: leaving it ends the run everywhere."""

    shows_hosts = True
    shares_memory = False

    def __init__(
        self,
        transport: Transport,
        leader: Address,
        own_address: Address,
        shipment: Shipment,
        plan: Plan,
        description: RunDescription,
        directory: str,
        options: Options,
        timing: Timing,
        clock: Clock,
        environment: SentEnvironment,
    ) -> None:
        self.transport = transport
        self.poller = Poller()
        self.secret = Secret.make()
        self._description = description
        self._timing = timing
        self._clock = clock
        self._memory_mb = options.task_memory_mb
        self._own_paths = OwnPaths(shipment)
        self._unsent_read: set[str] = set()  # variables that tasks read and lack
        self._events: list[FleetEvent] = []
        self._agents: dict[str, RemoteAgent] = {}
        self._launching: dict[str, tuple[RemoteAgent, Lease]] = {}  # by executor
        self._launched: dict[str, RemoteAgent] = {}  # by executor, until it has ended
        self._executor_count = 0
        self._share: int | None = None
        self._next_beat = 0.0
        self._is_closing = False
        self._own = OwnServer(
            transport,
            self.poller,
            own_address,
            shipment,
            plan,
            description,
            self.secret,
            directory,
        )
        self.store, self.store_owner = self._own.store, self._own.address
        self.reader_host = own_address.host
        self._opening = opening_of(
            description,
            self.secret,
            shipment.program,
            self.store_owner,
            environment,
            options,
        )
        self._leasing = Leasing(transport, self.poller, leader, description.run, options, timing)

    def __enter__(self) -> ClusterFleet:
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self._close_runs()
        finally:
            self._leasing.give_back_all()
            self._own.close()

    def demand(self, count: int) -> None:
        self._leasing.demand = count

    def send(self, agent: str, message: Any) -> None:
        at = self._agents.get(agent)
        if at is not None and at.state is not State.LOST:
            at.link.send(message)

    def advance(self, now: float) -> float:
        launching = len(self._launching) + self._leases_held()
        self._leasing.advance(now, launching=launching, held=len(self._launched))
        for error in self._leasing.errors():
            self._events.append(FleetFailed(error))
        for lease in self._leasing.granted():
            self._use(lease, now)
        self._keep_to_share()
        if now >= self._next_beat:
            self._next_beat = now + self._timing.beat_s
            for agent in list(self._agents.values()):
                self._keep_up(agent, now)
        return min(self._next_beat, self._leasing.next_ask)

    @property
    def is_settled(self) -> bool:
        on_their_way = len(self._launching) + self._leases_held()
        return not (self._events or on_their_way) and self._leasing.is_answered

    def events(self) -> list[FleetEvent]:
        events, self._events = self._events, []
        return events

    def waiting_for(self) -> str:
        if any(agent.state in (State.GREETED, State.OPENING) for agent in self._agents.values()):
            return ""
        return self._leasing.waiting_for(held=len(self._launched))

    def _keep_to_share(self) -> None:
        """What is held above the share goes: first what is not launched yet."""
        share = self._leasing.share
        if share is None or share == self._share:
            return
        self._share = share
        excess = len(self._launched) + len(self._launching) + self._leases_held() - share
        for agent in self._agents.values():
            while agent.leases and excess > 0:
                self._leasing.give_back(agent.leases.pop())
                excess -= 1
        self._events.append(ShareChanged(share))

    # --- agents ---

    def _leases_held(self) -> int:
        return sum(len(agent.leases) for agent in self._agents.values())

    def _use(self, lease: Lease, now: float) -> None:
        agent = self._agents.get(lease.address)
        if agent is None:
            agent = self._greet(lease.address, now)
        elif agent.state is State.LOST:
            if now - agent.lost_at < self._timing.ask_s:
                self._leasing.cannot_use(lease, agent.lost, now)
                return
            # It is there, after all. It knows nothing of what was lost with it: that run at it is
            # over, or it will say that it is not yet.
            agent = self._greet(lease.address, now)
            agent.is_another_try = True
        agent.leases.append(lease)
        self._launch_all(agent)

    def _greet(self, address: str, now: float) -> RemoteAgent:
        link = self.transport.connect(parse_address(address))
        agent = self._agents[address] = RemoteAgent(address, link, now)
        self.poller.register(link, partial(self._hear, agent))
        agent.greet(self._description.run)
        return agent

    def _launch_all(self, agent: RemoteAgent) -> None:
        while agent.state is State.OPEN and agent.leases:
            lease = agent.leases.popleft()
            self._executor_count += 1
            executor = f"{self._description.run}-{self._executor_count}"
            self._launching[executor] = agent, lease
            agent.link.send(Launch(self._description.run, executor, lease.lease, self._memory_mb))

    def _keep_up(self, agent: RemoteAgent, now: float) -> None:
        if agent.state is State.LOST:
            return
        patience = self._timing.peer_lost_s
        if not agent.is_connected:
            patience = self._timing.first_contact_s
        if now - agent.heard_at >= patience:
            self._lose(agent, f"it has been silent for {patience:g} s")
        elif agent.state in (State.OPENING, State.OPEN):  # a large program may take long
            agent.link.send(Beat(self._description.run))

    def _hear(self, agent: RemoteAgent) -> None:
        events = agent.link.events()
        agent.is_connected = agent.is_connected or LinkEvent.CONNECTED in events
        try:
            while agent.state is not State.LOST and (received := agent.link.receive()) is not None:
                agent.heard_at = self._clock()
                self._take(agent, *received)
        except GlowError as exc:
            self._lose(agent, str(exc))
        if LinkEvent.DISCONNECTED in events:
            self._lose(agent, "the connection was closed")
        elif LinkEvent.REFUSED in events:
            self._lose(agent, "it holds another key")

    def _take(self, agent: RemoteAgent, message: Any, payload: bytes) -> None:
        if isinstance(message, Welcome):
            if message.refusal:
                text = f"agent at {agent.address}: {message.refusal}"
                self._events.append(FleetFailed(VersionMismatch(text)))
            elif agent.state is State.GREETED:
                agent.open_run(self._opening, self._description.to_bytes())
        elif isinstance(message, RunOpened):
            agent.state = State.OPEN
            self._leasing.can_use(agent.address)
            self._launch_all(agent)
        elif isinstance(message, RunRefused):
            self._lose(agent, message.reason)
        elif isinstance(message, RunClosed):
            agent.state = State.CLOSED
            if not self._is_closing:
                self._lose(agent, "it has closed the run: it had not heard of this driver for long")
        elif isinstance(message, Launched):
            if message.executor in self._launching:
                _agent, lease = self._launching.pop(message.executor)
                self._launched[message.executor] = agent
                self._leasing.can_use(agent.address)
                self._events.append(
                    ExecutorJoined(
                        message.executor, agent.address, _place_of(lease), lease.cpu_level
                    )
                )
        elif isinstance(message, LaunchRefused) and message.executor in self._launching:
            _agent, lease = self._launching.pop(message.executor)
            if message.refusal is Refusal.NO_PROCESS:
                self._leasing.cannot_use(lease, message.reason, agent.heard_at)
            else:
                self._leasing.give_back(lease)
                self._leasing.ask_anew()
        else:
            if isinstance(message, ExecutorExited):
                self._launched.pop(message.executor, None)
                message = message._replace(
                    log_tail=self._explained(message.log_tail), cause=self._own_paths(message.cause)
                )
            elif isinstance(message, GroupEnded):
                message = message._replace(reason=self._explained(message.reason))
            elif isinstance(message, Printed):
                message = message._replace(text=self._own_paths(message.text))
            elif isinstance(message, Noted):
                subject, text = self._own_paths(message.subject), self._own_paths(message.text)
                if subject.startswith(UNSENT_SUBJECT):
                    self._unsent_read.add(subject.removeprefix(UNSENT_SUBJECT))
                message = message._replace(subject=subject, text=text)
            elif isinstance(message, LaunchRefused):
                message = message._replace(reason=self._own_paths(message.reason))
            self._events.append(AgentSaid(agent.address, message, payload))

    def _explained(self, error: str) -> str:
        """The text of a task's error, with the paths of this host, and hints."""
        if not error:
            return ""
        return with_hints(self._own_paths(error), self._unsent_read, self._own_paths.of_file)

    def _lose(self, agent: RemoteAgent, cause: str) -> None:
        if agent.state is State.LOST:
            return
        was_open = agent.state in (State.OPEN, State.CLOSED)
        agent.state = State.LOST
        agent.lost, agent.lost_at = cause, self._clock()
        self.poller.unregister(agent.link)
        agent.link.close(is_lost=True)
        for executor, (of_agent, lease) in list(self._launching.items()):
            if of_agent is agent:
                del self._launching[executor]
                self._leasing.give_back(lease)
        while agent.leases:
            self._leasing.cannot_use(agent.leases.popleft(), cause, agent.lost_at)
        for executor in [each for each, of in self._launched.items() if of is agent]:
            del self._launched[executor]
        if not agent.is_another_try:
            self._leasing.ask_anew()
        if was_open:
            self._events.append(AgentLost(agent.address, cause))
        elif not agent.is_another_try:
            self._leasing.agent_refused(agent.address, cause)

    def _close_runs(self) -> None:
        """Tell every agent that the run is over, and wait until nothing of it is left there."""
        self._is_closing = True
        deadline = time.monotonic() + self._timing.shutdown_s
        closing = []
        for agent in self._agents.values():
            while agent.leases:
                self._leasing.give_back(agent.leases.popleft())
            if agent.state is State.LOST:
                continue
            if agent.state is not State.GREETED:
                agent.link.send(CloseRun(self._description.run))
                closing.append(agent)
            else:  # it knows nothing of the run
                self.poller.unregister(agent.link)
                agent.link.close(is_lost=True)
        while any(agent.state in (State.OPENING, State.OPEN) for agent in closing):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            for ready in self.poller.poll(left):
                ready()


def _place_of(lease: Lease) -> Place:
    return Place(lease.data_center, lease.rack, parse_address(lease.address).host)
