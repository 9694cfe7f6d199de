"""Who may start how many executors where. Pure: events and `now` go in, grants come out.

An executor of an agent is used while the agent's last heartbeat reports its lease, or while a
lease on it was granted less than `lease_s` ago that no heartbeat has reported yet:

    ask ──> GRANTED ──heartbeat reports it──> IN_USE ──heartbeat without it──> free
               └──given back, or lease_s without a report──> free

So the agents are the only memory: a master that restarts knows all after one heartbeat of each.
Go: resource/service_discovery/master/master_allocation.go
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from glowpy.master.free_order import FreeOrder
from glowpy.master.topology import Agent
from glowpy.wire.messages import AskExecutors, Grants, Lease

# A bound on one answer, whatever an agent claims to have; who wants more asks again.
MOST_LEASES_AT_ONCE = 1000


class LeaseState(Enum):
    """How far a lease has come."""

    GRANTED = "granted"  # the driver may start an executor under it
    IN_USE = "in use"  # its agent has reported it


@dataclass(slots=True)
class _Granted:
    agent: str
    driver: str
    memory_mb: int
    state: LeaseState


@dataclass(slots=True)
class _Room:
    """What an agent has, and what of it is used."""

    agent: Agent
    reported: frozenset[str]
    reported_memory_mb: int
    waiting: set[str] = field(default_factory=set)  # granted, not reported yet
    waiting_memory_mb: int = 0

    @property
    def free_executors(self) -> int:
        return max(0, self.agent.executor_limit - len(self.reported) - len(self.waiting))

    @property
    def free_memory_mb(self) -> int:
        return max(0, self.agent.memory_mb - self.reported_memory_mb - self.waiting_memory_mb)


@dataclass(slots=True)
class _Driver:
    """What a driver holds, and what it asked for and did not get."""

    held: int = 0
    open_count: int = 0
    memory_mb: int = 0
    asked_at: float = 0.0


class Allocator:
    """Grants executors as leases.

    `mint` makes lease ids. They should be hard to guess: who knows one may give it back.
    """

    def __init__(self, *, lease_s: float, demand_s: float, mint: Callable[[], str]) -> None:
        self._lease_s = lease_s
        self._demand_s = demand_s  # an open demand not repeated for this long is over
        self._mint = mint
        self._rooms: dict[str, _Room] = {}
        self._order = FreeOrder()
        self._leases: dict[str, _Granted] = {}
        self._expiries: deque[tuple[float, str]] = deque()  # in order: every lease lasts as long
        self._drivers: dict[str, _Driver] = {}
        self._limits: list[tuple[int, str]] = []  # (memory_mb, agent) of agents with executors
        self._executors_known = 0
        self._executors_free = 0

    def hear(self, agent: Agent, leases: Iterable[str], leased_memory_mb: int, now: float) -> None:
        """An agent says what it has and which leases it is using."""
        self.expire(now)
        reported = frozenset(leases)
        old = self._rooms.get(agent.agent)
        room = _Room(agent, reported, max(0, leased_memory_mb))
        if old is not None:
            self._take_out(old)
            room.waiting = old.waiting
            room.waiting_memory_mb = old.waiting_memory_mb
            for lease in old.reported - reported:
                self._end(lease, agent.agent)
        for lease in reported & room.waiting:
            granted = self._leases[lease]
            granted.state = LeaseState.IN_USE
            room.waiting.discard(lease)
            room.waiting_memory_mb -= granted.memory_mb
        self._put_in(room)

    def forget(self, agent: str) -> None:
        """The agent is gone, and its leases with it."""
        room = self._rooms.get(agent)
        if room is None:
            return
        self._take_out(room)
        del self._rooms[agent]
        for lease in room.reported | room.waiting:
            self._end(lease, agent)

    def ask(self, ask: AskExecutors, now: float) -> Grants:
        """Grant what is there now; the rest is the driver's open demand until it asks again."""
        self.expire(now)
        driver = self._drivers.setdefault(ask.driver, _Driver())
        driver.open_count = max(0, ask.executor_count)
        driver.memory_mb = max(0, ask.memory_mb)
        driver.asked_at = now
        leases: list[Lease] = []
        for _ in range(self._allowance(driver)):
            agent = self._order.best(driver.memory_mb, ask.data_center, ask.rack)
            if agent is None:
                break
            leases.append(self._grant(self._rooms[agent], ask.driver, driver, now))
        return Grants(
            leases=tuple(leases),
            agents_known=len(self._rooms),
            executors_known=self._executors_known,
            largest_memory_mb=self._largest_memory_mb(),
        )

    def give_back(self, leases: Iterable[str]) -> None:
        """These leases will not be used. One that is in use ends when its agent says so."""
        for lease in leases:
            granted = self._leases.get(lease)
            if granted is not None and granted.state is LeaseState.GRANTED:
                self._withdraw(lease, granted)

    def usage(self) -> dict[str, tuple[int, int]]:
        """Executors and memory of each agent that are in use or granted, for `glowpy status`."""
        return {
            name: (
                len(room.reported) + len(room.waiting),
                room.reported_memory_mb + room.waiting_memory_mb,
            )
            for name, room in self._rooms.items()
        }

    def demands(self) -> dict[str, tuple[int, int, int, float]]:
        """Of each driver: executors held, executors wanted, memory of each, when it asked last."""
        return {
            name: (each.held, each.open_count, each.memory_mb, each.asked_at)
            for name, each in self._drivers.items()
        }

    def expire(self, now: float) -> list[str]:
        """End the leases that were granted too long ago and never used; say which."""
        expired = []
        while self._expiries and self._expiries[0][0] <= now:
            _, lease = self._expiries.popleft()
            granted = self._leases.get(lease)
            if granted is not None and granted.state is LeaseState.GRANTED:
                self._withdraw(lease, granted)
                expired.append(lease)
        for name in [n for n, d in self._drivers.items() if not d.held and self._is_over(d, now)]:
            del self._drivers[name]
        for driver in self._drivers.values():
            if self._is_over(driver, now):
                driver.open_count = 0
        return expired

    def _is_over(self, driver: _Driver, now: float) -> bool:
        return now - driver.asked_at > self._demand_s

    def _allowance(self, driver: _Driver) -> int:
        """How many executors this driver may be given now.

        Up to an equal share of all executors there is no restriction. Above it, a driver gets only
        what the others, each up to its own share, are not asking for.
        """
        competing = sum(1 for each in self._drivers.values() if each.held or each.open_count)
        share = max(1, self._executors_known // max(1, competing))
        largest = self._largest_memory_mb()
        wanted_by_others = sum(
            min(other.open_count, max(0, share - other.held))
            for other in self._drivers.values()
            # what no agent can ever give keeps nothing from anybody
            if other is not driver and other.memory_mb <= largest
        )
        allowed = max(share - driver.held, self._executors_free - wanted_by_others)
        return max(0, min(driver.open_count, self._executors_free, allowed, MOST_LEASES_AT_ONCE))

    def _largest_memory_mb(self) -> int:
        return self._limits[-1][0] if self._limits else 0

    def _grant(self, room: _Room, name: str, driver: _Driver, now: float) -> Lease:
        lease = self._mint()
        self._leases[lease] = _Granted(room.agent.agent, name, driver.memory_mb, LeaseState.GRANTED)
        self._expiries.append((now + self._lease_s, lease))
        driver.held += 1
        driver.open_count -= 1
        self._take_out(room)
        room.waiting.add(lease)
        room.waiting_memory_mb += driver.memory_mb
        self._put_in(room)
        return Lease(
            lease=lease,
            agent=room.agent.agent,
            address=room.agent.address,
            data_center=room.agent.place.data_center,
            rack=room.agent.place.rack,
            memory_mb=driver.memory_mb,
        )

    def _withdraw(self, lease: str, granted: _Granted) -> None:
        room = self._rooms[granted.agent]
        self._take_out(room)
        room.waiting.discard(lease)
        room.waiting_memory_mb -= granted.memory_mb
        self._put_in(room)
        self._end(lease, granted.agent)

    def _end(self, lease: str, agent: str) -> None:
        """Forget a lease. One from before a restart of the master is not known here."""
        granted = self._leases.get(lease)
        if granted is None or granted.agent != agent:
            return
        del self._leases[lease]
        # a driver that holds something is never forgotten
        self._drivers[granted.driver].held -= 1

    def _take_out(self, room: _Room) -> None:
        agent = room.agent
        self._executors_known -= agent.executor_limit
        self._executors_free -= room.free_executors
        self._order.remove(agent.agent)
        if agent.executor_limit:
            del self._limits[bisect_left(self._limits, (agent.memory_mb, agent.agent))]

    def _put_in(self, room: _Room) -> None:
        agent = room.agent
        self._rooms[agent.agent] = room
        self._executors_known += agent.executor_limit
        self._executors_free += room.free_executors
        self._order.put(agent, room.free_executors, room.free_memory_mb)
        if agent.executor_limit:
            insort(self._limits, (agent.memory_mb, agent.agent))

    def check_invariants(self) -> None:
        """For tests: nothing is granted beyond a limit, and every count agrees with its facts."""
        rooms = self._rooms.values()
        for room in rooms:
            limit = max(room.agent.executor_limit, len(room.reported))
            # a lease that its agent reported late may exceed the limit, a grant never does
            late = {x for x in room.reported if x not in self._leases}
            assert len((room.reported | room.waiting) - late) <= limit, room
            assert room.waiting.isdisjoint(room.reported), room
            waiting = [self._leases[lease] for lease in room.waiting]
            assert all(w.state is LeaseState.GRANTED for w in waiting), room
            assert all(w.agent == room.agent.agent for w in waiting), room
            assert sum(w.memory_mb for w in waiting) == room.waiting_memory_mb, room
        for lease, granted in self._leases.items():
            room = self._rooms[granted.agent]
            in_use = granted.state is LeaseState.IN_USE
            assert lease in (room.reported if in_use else room.waiting), lease
        for name, driver in self._drivers.items():
            held = [g for g in self._leases.values() if g.driver == name]
            assert driver.held == len(held), name
            assert driver.open_count >= 0, name
        assert self._executors_free == sum(room.free_executors for room in rooms)
        assert self._executors_known == sum(room.agent.executor_limit for room in rooms)
        assert len(self._limits) == sum(1 for room in rooms if room.agent.executor_limit)
