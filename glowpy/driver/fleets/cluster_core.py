"""The driver's side of a cluster run, as a pure machine: leases become executors at agents.

agent: connected → GREETED → welcome → OPENING → opened → OPEN → closed → CLOSED
       in every state: silence, a refusal, a closed connection → LOST
"""

from __future__ import annotations

from typing import Any

from glowpy.driver.fleets.agent_connection import AgentConnection, State
from glowpy.driver.fleets.cluster_actions import (
    ClusterAction,
    LeaveAgent,
    ReachAgent,
    Report,
    ToAgent,
)
from glowpy.driver.fleets.fleet import AgentSaid, FleetEvent, FleetFailed
from glowpy.driver.fleets.master_client import MasterClient
from glowpy.driver.scheduling.events import AgentLost, ExecutorJoined, ShareChanged
from glowpy.errors import VersionMismatch
from glowpy.flags import Options
from glowpy.locality import Place
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
from glowpy.wire.messages import Lease, Welcome
from glowpy.wire.run_messages import (
    Beat,
    CloseRun,
    ExecutorExited,
    Launch,
    Launched,
    LaunchRefused,
    OpenRun,
    Refusal,
    RunClosed,
    RunOpened,
    RunRefused,
)


class ClusterCore:
    """Master, agents and executors of one run. Every method returns the actions to perform.

    Args:
        opening: opens the run at an agent, with `description` as payload.
        script: the name of this driver in the status of the master.
    """

    def __init__(
        self,
        leader: Address,
        opening: OpenRun,
        description: bytes,
        script: str,
        options: Options,
        timing: Timing,
    ) -> None:
        self._run = opening.run
        self._opening = opening
        self._description = description
        self._timing = timing
        self._actions: list[ClusterAction] = []
        self._master = MasterClient(leader, self._run, script, options, timing, self._actions)
        self._agents: dict[str, AgentConnection] = {}
        self._launching: dict[str, tuple[AgentConnection, Lease]] = {}  # by executor
        self._launched: dict[str, AgentConnection] = {}  # by executor, until its end
        self._executor_count = 0
        self._share: int | None = None
        self._next_beat = 0.0
        self._is_closing = False

    # --- the run loop ---

    def demand(self, count: int) -> list[ClusterAction]:
        """Set the number of executors wanted beyond those launched."""
        self._master.demand = count
        return self._taken()

    def send(self, address: str, message: Any) -> list[ClusterAction]:
        """Send the scheduler's message to an agent; dropped if the agent is lost."""
        agent = self._agents.get(address)
        if agent is not None and agent.state is not State.LOST:
            self._actions.append(ToAgent(address, message))
        return self._taken()

    def advance(self, now: float) -> list[ClusterAction]:
        """Ask the master, launch at agents, and give up silent ones."""
        launching = len(self._launching) + self._leases_held()
        self._master.advance(now, launching=launching, held=len(self._launched))
        for lease in self._master.granted():
            self._use(lease, now)
        self._keep_to_share()
        if now >= self._next_beat:
            self._next_beat = now + self._timing.beat_s
            for agent in list(self._agents.values()):
                self._keep_up(agent, now)
        return self._taken()

    @property
    def due_at(self) -> float:
        """The time of the next `advance`."""
        return min(self._next_beat, self._master.next_ask)

    @property
    def is_settled(self) -> bool:
        """True if no lease and no executor is pending, and the master has answered the demand."""
        return not self._launching and not self._leases_held() and self._master.is_answered

    def waiting_for(self) -> str:
        """Return the missing part of the cluster, as text; empty if nothing is missing."""
        if any(agent.state in (State.GREETED, State.OPENING) for agent in self._agents.values()):
            return ""
        return self._master.waiting_for(held=len(self._launched))

    def close(self) -> list[ClusterAction]:
        """End the run: close it at each agent, and return every lease."""
        self._is_closing = True
        for agent in self._agents.values():
            while agent.leases:
                self._master.give_back(agent.leases.popleft())
            if agent.state is State.GREETED:  # the agent does not know the run
                self._actions.append(LeaveAgent(agent.address))
            elif agent.state is not State.LOST:
                self._actions.append(ToAgent(agent.address, CloseRun(self._run)))
        return self._taken()

    @property
    def is_closed(self) -> bool:
        """True once every agent has removed the run."""
        return all(
            agent.state not in (State.OPENING, State.OPEN) for agent in self._agents.values()
        )

    def give_back_all(self) -> list[ClusterAction]:
        """Tell the master that nothing is wanted any more."""
        self._master.give_back_all()
        return self._taken()

    # --- the master ---

    def master_said(self, message: object) -> list[ClusterAction]:
        self._master.take(message)
        return self._taken()

    def master_refused(self) -> list[ClusterAction]:
        """The handshake with the master failed."""
        self._master.refused()
        return self._taken()

    # --- agents ---

    def agent_connected(self, address: str) -> None:
        self._agents[address].is_connected = True

    def agent_said(
        self, address: str, message: Any, payload: bytes, now: float
    ) -> list[ClusterAction]:
        agent = self._agents[address]
        if agent.state is not State.LOST:
            agent.heard_at = now
            self._take(agent, message, payload)
        return self._taken()

    def agent_lost(self, address: str, cause: str, now: float) -> list[ClusterAction]:
        """Give up an agent whose connection is closed, refused, or speaks another protocol."""
        self._lose(self._agents[address], cause, now)
        return self._taken()

    def _taken(self) -> list[ClusterAction]:
        actions = self._actions[:]
        self._actions.clear()
        return actions

    def _report(self, event: FleetEvent) -> None:
        self._actions.append(Report(event))

    def _keep_to_share(self) -> None:
        """Return leases beyond a new share, unlaunched ones first."""
        share = self._master.share
        if share is None or share == self._share:
            return
        self._share = share
        excess = len(self._launched) + len(self._launching) + self._leases_held() - share
        for agent in self._agents.values():
            while agent.leases and excess > 0:
                self._master.give_back(agent.leases.pop())
                excess -= 1
        self._report(ShareChanged(share))

    def _leases_held(self) -> int:
        return sum(len(agent.leases) for agent in self._agents.values())

    def _use(self, lease: Lease, now: float) -> None:
        agent = self._agents.get(lease.address)
        if agent is None:
            agent = self._reach(lease.address, now)
        elif agent.state is State.LOST:
            if now - agent.lost_at < self._timing.ask_s:
                self._master.cannot_use(lease, agent.lost, now)
                return
            # The agent is back, and has lost the run. If the run is still open there, the agent
            # refuses.
            agent = self._reach(lease.address, now)
            agent.is_another_try = True
        agent.leases.append(lease)
        self._launch_all(agent)

    def _reach(self, address: str, now: float) -> AgentConnection:
        agent = self._agents[address] = AgentConnection(address, now)
        self._actions.append(ReachAgent(address))
        return agent

    def _launch_all(self, agent: AgentConnection) -> None:
        while agent.state is State.OPEN and agent.leases:
            lease = agent.leases.popleft()
            self._executor_count += 1
            executor = f"{self._run}-{self._executor_count}"
            self._launching[executor] = agent, lease
            launch = Launch(
                run=self._run,
                executor=executor,
                lease=lease.lease,
                memory_mb=lease.memory_mb,
                issued_at_s=lease.issued_at_s,
                duration_s=lease.duration_s,
                signature=lease.signature,
            )
            self._actions.append(ToAgent(agent.address, launch))

    def _keep_up(self, agent: AgentConnection, now: float) -> None:
        if agent.state is State.LOST:
            return
        patience_s = self._timing.peer_lost_s
        if not agent.is_connected:
            patience_s = self._timing.first_contact_s
        if now - agent.heard_at >= patience_s:
            self._lose(agent, f"it has been silent for {patience_s:g} s", now)
        elif agent.state in (State.OPENING, State.OPEN):  # a large program may take long to fetch
            self._actions.append(ToAgent(agent.address, Beat(self._run)))

    def _take(self, agent: AgentConnection, message: Any, payload: bytes) -> None:
        if isinstance(message, Welcome):
            if message.refusal:
                text = f"agent at {agent.address}: {message.refusal}"
                self._report(FleetFailed(VersionMismatch(text)))
            elif agent.state is State.GREETED:
                agent.state = State.OPENING
                self._actions.append(ToAgent(agent.address, self._opening, self._description))
        elif isinstance(message, RunOpened):
            agent.state = State.OPEN
            self._master.can_use(agent.address)
            self._launch_all(agent)
        elif isinstance(message, RunRefused):
            self._lose(agent, message.reason, agent.heard_at)
        elif isinstance(message, RunClosed):
            agent.state = State.CLOSED
            if not self._is_closing:
                cause = "it has closed the run: it had not heard of this driver for long"
                self._lose(agent, cause, agent.heard_at)
        elif isinstance(message, Launched):
            self._take_launched(agent, message)
        elif isinstance(message, LaunchRefused) and message.executor in self._launching:
            _agent, lease = self._launching.pop(message.executor)
            if message.refusal is Refusal.NO_PROCESS:
                self._master.cannot_use(lease, message.reason, agent.heard_at)
            else:
                self._master.give_back(lease)
                self._master.ask_again()
        else:
            if isinstance(message, ExecutorExited):
                self._launched.pop(message.executor, None)
            self._report(AgentSaid(agent=agent.address, message=message, payload=payload))

    def _take_launched(self, agent: AgentConnection, message: Launched) -> None:
        if message.executor not in self._launching:
            return
        _agent, lease = self._launching.pop(message.executor)
        self._launched[message.executor] = agent
        self._master.can_use(agent.address)
        place = Place(lease.data_center, lease.rack, parse_address(lease.address).host)
        self._report(
            ExecutorJoined(
                executor=message.executor,
                agent=agent.address,
                place=place,
                cpu_level=lease.cpu_level,
            )
        )

    def _lose(self, agent: AgentConnection, cause: str, now: float) -> None:
        if agent.state is State.LOST:
            return
        was_open = agent.state in (State.OPEN, State.CLOSED)
        agent.state = State.LOST
        agent.lost, agent.lost_at = cause, now
        self._actions.append(LeaveAgent(agent.address))
        for executor, (of_agent, lease) in list(self._launching.items()):
            if of_agent is agent:
                del self._launching[executor]
                self._master.give_back(lease)
        while agent.leases:
            self._master.cannot_use(agent.leases.popleft(), cause, now)
        for executor in [each for each, of in self._launched.items() if of is agent]:
            del self._launched[executor]
        if not agent.is_another_try:
            self._master.ask_again()
        if was_open:
            self._report(AgentLost(agent.address, cause))
        elif not agent.is_another_try:
            self._master.agent_refused(agent.address, cause)
