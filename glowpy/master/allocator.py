"""Allocates executors to drivers. Pure: events and `now` in, grants out.

An executor of an agent is used while the agent's last heartbeat reports its lease, or for `lease_s`
after the grant of a lease not yet reported:

    ask ──> GRANTED ──heartbeat reports it──> IN_USE ──heartbeat without it──> free
               └──given back, or lease_s without a report──> free

So the agents are the only memory: a restarted master is complete after one heartbeat of each. Only
leases granted before the restart and not started yet are unknown; an agent refuses executors beyond
its limits then, and the driver asks again.
Go: resource/service_discovery/master/master_allocation.go
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from glowpy.master.capacity import Capacity
from glowpy.master.drivers import Driver, Drivers
from glowpy.master.free_order import FreeOrder
from glowpy.master.topology import Agent
from glowpy.wire.messages import AskExecutors, Grants, Lease, LeaseInUse
from glowpy.wire.status_messages import RunStatus

# Bounds one answer, regardless of an agent's claims; a driver that wants more asks again.
MOST_LEASES_AT_ONCE = 1000


class LeaseState(Enum):
    """The state of a lease."""

    GRANTED = "granted"  # the driver may start an executor under it
    IN_USE = "in use"  # reported by its agent


@dataclass(slots=True)
class _Granted:
    agent: str
    driver: str
    memory_mb: int
    state: LeaseState


@dataclass(slots=True)
class _Room:
    """The limits of an agent, and the used part."""

    agent: Agent
    reported: frozenset[str]
    reported_memory_mb: int
    waiting: set[str] = field(default_factory=set)  # granted, not yet reported
    waiting_memory_mb: int = 0
    counted_free: int = 0  # its executors counted in the allocator's sum

    @property
    def free_executors(self) -> int:
        return max(0, self.agent.executor_limit - len(self.reported) - len(self.waiting))

    @property
    def free_memory_mb(self) -> int:
        return max(0, self.agent.memory_mb - self.reported_memory_mb - self.waiting_memory_mb)


class Allocator:
    """Grants executors as leases.

    `mint` makes lease ids. The ids should be hard to guess, because their holder may give the lease
    back.
    """

    def __init__(
        self, *, lease_s: float, demand_s: float, turn_s: float, mint: Callable[[], str]
    ) -> None:
        self._lease_s = lease_s
        self._mint = mint
        self._rooms: dict[str, _Room] = {}
        self._order = FreeOrder()
        self._capacity = Capacity()
        self._leases: dict[str, _Granted] = {}
        self._expiries: deque[tuple[float, str]] = deque()  # in order: all leases last equally long
        self._drivers = Drivers(self._capacity, demand_s, turn_s)
        self._unused: list[LeaseInUse] = []  # leases that expired unused
        self._free_count = 0  # executors of all agents
        self.has_changed = False  # executors became free, or a demand has changed: see `to_call`
        self._now = 0.0  # the time of the last timed event

    def hear(self, agent: Agent, leases: Sequence[LeaseInUse], now: float) -> None:
        """Replace an agent's limits and its leases in use."""
        self.expire(now)
        reported = frozenset(each.lease for each in leases)
        room = _Room(
            agent=agent,
            reported=reported,
            reported_memory_mb=sum(max(0, each.memory_mb) for each in leases),
        )
        old = self._rooms.get(agent.agent)
        if old is not None:
            room.waiting = old.waiting
            room.waiting_memory_mb = old.waiting_memory_mb
            room.counted_free = old.counted_free
            for lease in old.reported - reported:
                self._end(lease, agent.agent)
        for used in leases:
            granted = self._leases.get(used.lease)
            if granted is None:
                self._drivers.holds(used.driver, now)
                memory_mb = max(0, used.memory_mb)
                self._leases[used.lease] = _Granted(
                    agent=agent.agent,
                    driver=used.driver,
                    memory_mb=memory_mb,
                    state=LeaseState.IN_USE,
                )
            elif used.lease in room.waiting:
                granted.state = LeaseState.IN_USE
                room.waiting.discard(used.lease)
                room.waiting_memory_mb -= granted.memory_mb
        self._rooms[agent.agent] = room
        self._capacity.set(agent.agent, agent.executor_limit, agent.memory_mb)
        self._place(room)

    def forget(self, agent: str) -> None:
        """Remove an agent with its leases."""
        room = self._rooms.get(agent)
        if room is None:
            return
        self._order.remove(agent)
        self._free_count -= room.counted_free
        self._capacity.forget(agent)
        del self._rooms[agent]
        for lease in room.reported | room.waiting:
            self._end(lease, agent)

    def ask(self, ask: AskExecutors, now: float, peer: bytes = b"") -> Grants:
        """Grant leases available now; the rest remains the driver's open demand until its next ask.

        Leases above the driver's share are not renewed: the answer contains the share, unless the
        driver holds leases of agents not heard since the start of the master. `peer` is the
        driver's connection, for `to_call`.
        """
        self.expire(now)
        if not self._drivers.accepts(ask.driver, peer):
            return self._grants([], None, ask.number)
        claim = self._drivers.claim_of(ask.driver)
        driver = self._drivers.asks(ask, now, peer)
        if driver.claim != claim:
            self.has_changed = True
        share = self._drivers.share_of(ask.driver, now)
        leases: list[Lease] = []
        count = min(driver.open_count, (share or 0) - driver.held, MOST_LEASES_AT_ONCE)
        while len(leases) < count:
            agent = self._order.best(driver.memory_mb, ask.data_center, ask.rack)
            if agent is None:
                break
            leases.append(self._grant(self._rooms[agent], ask.driver, driver))
        if leases:
            driver.unheard.append((ask.number, len(leases)))
        driver.told_share = share if ask.held <= driver.held else None
        return self._grants(leases, driver.told_share, ask.number)

    def _grants(self, leases: Sequence[Lease], share: int | None, ask: int) -> Grants:
        return Grants(
            leases=tuple(leases),
            share=share,
            agents_known=len(self._rooms),
            executors_known=self._capacity.executors,
            largest_memory_mb=self._capacity.largest_memory_mb,
            ask=ask,
        )

    def give_back(self, leases: Iterable[str]) -> None:
        """Withdraw granted leases. A lease in use ends only when its agent reports so."""
        for lease in leases:
            granted = self._leases.get(lease)
            if granted is not None and granted.state is LeaseState.GRANTED:
                self._withdraw(lease, granted)

    def to_call(self, now: float) -> list[bytes]:
        """Return the connections of drivers that should ask again at once.

        One pass over all drivers, however many events there were since the last call.
        """
        if not self.has_changed:
            return []
        self.has_changed = False
        return [driver.peer for driver in self._drivers.to_call(now, self._free_count)]

    def usage(self) -> dict[str, tuple[int, int]]:
        """Return the used and granted executors and memory of each agent, for `glowpy status`."""
        return {
            name: (
                len(room.reported) + len(room.waiting),
                room.reported_memory_mb + room.waiting_memory_mb,
            )
            for name, room in self._rooms.items()
        }

    def runs(self, now: float) -> list[RunStatus]:
        """Return the runs that hold or want executors, for `glowpy status`."""
        return self._drivers.runs(now)

    def unused(self) -> list[LeaseInUse]:
        """Return the leases that expired unused since the last call."""
        unused, self._unused = self._unused, []
        return unused

    def expire(self, now: float) -> None:
        """End leases that were granted too long ago and never used."""
        self._now = now
        while self._expiries and self._expiries[0][0] <= now:
            _, lease = self._expiries.popleft()
            granted = self._leases.get(lease)
            if granted is not None and granted.state is LeaseState.GRANTED:
                self._withdraw(lease, granted)
                self._unused.append(LeaseInUse(lease, granted.driver, granted.memory_mb))

    def _grant(self, room: _Room, name: str, driver: Driver) -> Lease:
        lease = self._mint()
        self._leases[lease] = _Granted(
            agent=room.agent.agent,
            driver=name,
            memory_mb=driver.memory_mb,
            state=LeaseState.GRANTED,
        )
        self._expiries.append((self._now + self._lease_s, lease))
        self._drivers.holds(name, self._now)
        driver.open_count -= 1
        room.waiting.add(lease)
        room.waiting_memory_mb += driver.memory_mb
        self._place(room)
        return Lease(
            lease=lease,
            agent=room.agent.agent,
            address=room.agent.address,
            data_center=room.agent.place.data_center,
            rack=room.agent.place.rack,
            cpu_level=room.agent.cpu_level,
            memory_mb=driver.memory_mb,
            issued_at_s=room.agent.clock_s,
        )

    def _withdraw(self, lease: str, granted: _Granted) -> None:
        room = self._rooms[granted.agent]
        room.waiting.discard(lease)
        room.waiting_memory_mb -= granted.memory_mb
        self._place(room)
        self._end(lease, granted.agent)

    def _end(self, lease: str, agent: str) -> None:
        """Forget a lease."""
        granted = self._leases.get(lease)
        if granted is None or granted.agent != agent:
            return
        del self._leases[lease]
        self._drivers.holds(granted.driver, self._now, -1)

    def _place(self, room: _Room) -> None:
        """Update an agent's position in the order by its free executors."""
        free = room.free_executors
        self.has_changed = self.has_changed or free > room.counted_free
        self._free_count += free - room.counted_free
        room.counted_free = free
        self._order.put(room.agent, free, room.free_memory_mb)

    def check_invariants(self) -> None:
        """For tests: check that no grant exceeds a limit, and every count agrees with the facts."""
        for name, room in self._rooms.items():
            # what an agent reports may exceed its limit, a grant never does
            used = len(room.reported | room.waiting)
            assert used <= max(room.agent.executor_limit, len(room.reported)), room
            assert room.waiting.isdisjoint(room.reported), room
            waiting = [self._leases[lease] for lease in room.waiting]
            assert all(w.state is LeaseState.GRANTED and w.agent == name for w in waiting), room
            assert sum(w.memory_mb for w in waiting) == room.waiting_memory_mb, room
        assert self._free_count == sum(room.free_executors for room in self._rooms.values())
        for lease, granted in self._leases.items():
            room = self._rooms[granted.agent]
            in_use = granted.state is LeaseState.IN_USE
            assert lease in (room.reported if in_use else room.waiting), lease
        self._drivers.check_invariants([granted.driver for granted in self._leases.values()])
        self._capacity.check_invariants()
