"""Agents in the order of assignment.

The fastest cores come first, and among equals the agent with most free executors. (Glow carries
`--cpu.level`, the relative power of one core, through all its messages but compares it nowhere.)

Besides the order over all agents there is one for each data centre, each rack and each pair of
both, so that a preferred place costs no search. An agent without a free executor is in none.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from glowpy.master.topology import Agent
from glowpy.record import NamedTuple

# (-cpu level, -free executors, agent id): the best agent comes first in a sorted list. An insertion
# into a sorted list of some thousand keys moves a few kilobytes, which costs less than the
# bookkeeping of a heap with stale entries.
_Key = tuple[int, int, str]
_Scope = tuple[str, str]  # data centre, rack; empty means any

_ANYWHERE: _Scope = ("", "")


class _Entry(NamedTuple):
    key: _Key
    scopes: tuple[_Scope, ...]
    free_memory_mb: int


class FreeOrder:
    """Agents with a free executor, ordered for the allocator."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._orders: dict[_Scope, list[_Key]] = {}
        self._memories: list[tuple[int, str]] = []

    def put(self, agent: Agent, free_executors: int, free_memory_mb: int) -> None:
        """Insert an agent, or move it to its new position."""
        self.remove(agent.agent)
        if free_executors <= 0:
            return
        center, rack = agent.place.data_center, agent.place.rack
        entry = _Entry(
            key=(-agent.cpu_level, -free_executors, agent.agent),
            scopes=tuple({_ANYWHERE, (center, ""), ("", rack), (center, rack)}),
            free_memory_mb=free_memory_mb,
        )
        self._entries[agent.agent] = entry
        for scope in entry.scopes:
            insort(self._orders.setdefault(scope, []), entry.key)
        insort(self._memories, (free_memory_mb, agent.agent))

    def remove(self, agent: str) -> None:
        entry = self._entries.pop(agent, None)
        if entry is None:
            return
        for scope in entry.scopes:
            order = self._orders[scope]
            del order[bisect_left(order, entry.key)]
            if not order:
                del self._orders[scope]
        del self._memories[bisect_left(self._memories, (entry.free_memory_mb, agent))]

    def best(self, memory_mb: int, data_center: str, rack: str) -> str | None:
        """Return the next agent: in the preferred rack, then its data centre, then anywhere."""
        if not self._memories or self._memories[-1][0] < memory_mb:
            return None  # no agent has the memory: no need to look at each
        for scope in dict.fromkeys(((data_center, rack), (data_center, ""), _ANYWHERE)):
            for _, _, agent in self._orders.get(scope, ()):
                if self._entries[agent].free_memory_mb >= memory_mb:
                    return agent
        return None
