"""The agents of a cluster and their places. Pure: `now` is an argument."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from glowpy.locality import Place
from glowpy.wire.messages import Heartbeat


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, as described by its last heartbeat."""

    agent: str
    address: str
    place: Place
    cpu_level: int
    executor_limit: int
    memory_mb: int
    cores: int = 0
    clock_s: float = 0.0  # on the agent's clock, at its last heartbeat

    @classmethod
    def of(cls, heartbeat: Heartbeat) -> Agent:
        host = heartbeat.address.rpartition(":")[0]
        return cls(
            agent=heartbeat.agent,
            address=heartbeat.address,
            place=Place(heartbeat.data_center, heartbeat.rack, host),
            cpu_level=heartbeat.cpu_level,
            executor_limit=max(0, heartbeat.executor_limit),
            memory_mb=max(0, heartbeat.memory_mb),
            cores=max(0, heartbeat.cores),
            clock_s=heartbeat.clock_s,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a heartbeat: a new agent, or the replacement of another at its address."""

    agent: Agent
    joined: bool
    replaced: Agent | None


class Topology:
    """The agents heard of within `eviction_s`, by id and by address."""

    def __init__(self, eviction_s: float) -> None:
        self._eviction_s = eviction_s
        self._agents: dict[str, Agent] = {}
        self._by_address: dict[str, str] = {}
        # Sorted by silence, longest first: a heartbeat moves its agent to the end, so both an
        # update and the search for silent agents cost O(1).
        self._heard: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._agents)

    def get(self, agent: str) -> Agent | None:
        return self._agents.get(agent)

    def heard_at(self, agent: str) -> float:
        """Return the time of a known agent's last heartbeat."""
        return self._heard[agent]

    def agents(self) -> list[Agent]:
        return list(self._agents.values())

    def hear(self, heartbeat: Heartbeat, now: float) -> Change:
        """Record a heartbeat. A restarted agent replaces its predecessor at the same address."""
        agent = Agent.of(heartbeat)
        before = self._agents.get(agent.agent)
        if before is not None and before.address != agent.address:
            self._by_address.pop(before.address, None)
        owner = self._by_address.get(agent.address)
        replaced = None
        if owner is not None and owner != agent.agent:
            replaced = self._forget(owner)
        self._agents[agent.agent] = agent
        self._by_address[agent.address] = agent.agent
        self._heard[agent.agent] = now
        self._heard.move_to_end(agent.agent)
        return Change(agent, before is None, replaced)

    def evict(self, now: float) -> list[Agent]:
        """Forget agents that have been silent for too long, and return these."""
        gone = []
        while self._heard:
            agent, heard = next(iter(self._heard.items()))
            if now - heard < self._eviction_s:
                break
            gone.append(self._forget(agent))
        return gone

    def forget(self, agent: str) -> Agent | None:
        """Forget an agent that has left; None: unknown."""
        return self._forget(agent) if agent in self._agents else None

    def _forget(self, agent: str) -> Agent:
        gone = self._agents.pop(agent)
        self._heard.pop(agent)
        self._by_address.pop(gone.address)
        return gone

    def check_invariants(self) -> None:
        """For tests: check that the three indexes agree."""
        assert self._agents.keys() == self._heard.keys()
        assert self._by_address == {a.address: a.agent for a in self._agents.values()}
        assert list(self._heard.values()) == sorted(self._heard.values())
