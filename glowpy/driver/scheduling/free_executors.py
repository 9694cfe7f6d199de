"""The executors that can be given a group now, ordered by their agents' preference."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from glowpy.locality import Place

Scope: TypeAlias = tuple[str, ...]  # of a place: the host, its rack, its data center, or ()
EVERYWHERE: Scope = ()


def scopes_of(place: Place) -> tuple[Scope, ...]:
    """Return the scopes that contain a place, the closest first."""
    return tuple(place), place[:2], place[:1], EVERYWHERE


class Agent:
    """An agent with executors of this run, as compared by the market."""

    __slots__ = ("cpu_level", "load", "name", "number", "place", "scopes")

    def __init__(self, name: str, place: Place, cpu_level: int, number: int) -> None:
        self.name = name
        self.place = place
        self.cpu_level = cpu_level
        self.number = number  # in order of appearance
        self.load = 0  # attempts held by its executors
        self.scopes = scopes_of(place)

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sort key; lower comes first."""
        return -self.cpu_level, self.load, self.number


class FreeExecutors:
    """Executors that can be given a group now, with their agents in order within each scope."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}  # by executor
        self._executors: dict[Agent, dict[str, None]] = {}
        self._orders: dict[Scope, list[tuple[tuple[int, int, int], Agent]]] = {}
        self._ranks: dict[Agent, tuple[int, int, int]] = {}  # as stored in the orders
        # Recorded lazily: an executor that is used at once never enters the orders.
        self._changed: dict[Agent, None] = {}

    def __len__(self) -> int:
        return len(self._agents)

    def __contains__(self, executor: str) -> bool:
        return executor in self._agents

    def __iter__(self) -> Iterator[str]:
        return iter(self._agents)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._agents)

    @property
    def agents(self) -> Iterable[Agent]:
        return self._executors.keys()

    @property
    def agent_count(self) -> int:
        return len(self._executors)

    def add(self, executor: str, agent: Agent) -> None:
        self._agents[executor] = agent
        self._executors.setdefault(agent, {})[executor] = None
        self._changed[agent] = None

    def discard(self, executor: str) -> None:
        agent = self._agents.pop(executor, None)
        if agent is None:
            return
        executors = self._executors[agent]
        del executors[executor]
        if not executors:
            del self._executors[agent]
            self._changed[agent] = None

    def load_changed(self, agent: Agent) -> None:
        if agent in self._executors:
            self._changed[agent] = None

    def first_at(self, agent: Agent) -> str | None:
        """Return the executor of this agent that has been idle longest."""
        executors = self._executors.get(agent)
        return next(iter(executors)) if executors else None

    def best(self, scope: Scope) -> Agent | None:
        """Return the preferred agent within a scope."""
        if self._changed:
            for agent in self._changed:
                self._reorder(agent)
            self._changed.clear()
        order = self._orders.get(scope)
        return order[0][1] if order else None

    def _reorder(self, agent: Agent) -> None:
        old = self._ranks.pop(agent, None)
        new = agent.rank if agent in self._executors else None
        for scope in agent.scopes:
            order = self._orders.setdefault(scope, [])
            if old is not None:
                # ranks are unique, so agents are never compared
                del order[bisect_left(order, (old, agent))]
            if new is not None:
                insort(order, (new, agent))
            elif not order:
                del self._orders[scope]
        if new is not None:
            self._ranks[agent] = new
