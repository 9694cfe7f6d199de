"""The drivers of a cluster: the holdings, the open demand, and the share of each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from glowpy.master.capacity import Capacity
from glowpy.master.shares import LEAST_BID, Claim, shares
from glowpy.wire.messages import AskExecutors
from glowpy.wire.status_messages import RunStatus

_MOST_WANTED = 1_000_000
_MOST_OF_PEER = 16  # drivers of one connection; a run has a connection of its own
_MOST_CHARACTERS = 200  # of a script's name, kept for `glowpy status` only
# Asks between computations of all shares, as a fraction of the drivers: an ask costs O(log n).
_PART_PER_SHARES = 16
_USUAL_BID = 100.0  # of a driver that holds executors but has not asked this master yet


@dataclass(slots=True)
class Driver:
    """The holdings and the open demand of a driver."""

    memory_mb: int = 0
    bid: float = _USUAL_BID
    weight: float = _USUAL_BID  # the bid, at least LEAST_BID
    script: str = ""
    module: str = ""
    held: int = 0
    open_count: int = 0
    asked_at: float = -inf
    turn_ends_at: float = 0.0
    served_s: float = 0.0
    served_until: float = 0.0  # the time of the last update of `served_s`
    # ask number and executors of grants that may still be in transit
    unheard: list[tuple[int, int]] = field(default_factory=list)
    peer: bytes = b""  # the connection of its last ask
    told_share: int | None = None  # as of the last answer
    is_called: bool = False  # called to ask again; the ask has not arrived yet

    @property
    def claim(self) -> tuple[int, int, float]:
        """The basis of all shares: held and wanted executors, their size, the bid."""
        return self.held + self.open_count, self.memory_mb, self.weight


class Drivers:
    """All drivers that hold or want executors; others are forgotten.

    Args:
        demand_s: an open demand not repeated for this long is over.
        turn_s: the time for which each driver keeps its executor, where drivers take turns.
    """

    def __init__(self, capacity: Capacity, demand_s: float, turn_s: float) -> None:
        self._capacity = capacity
        self._demand_s = demand_s
        self._turn_s = turn_s
        self._drivers: dict[str, Driver] = {}
        self._of_peer: dict[bytes, set[str]] = {}
        self._shares: dict[str, int] = {}  # as they were computed last
        self._least_served_s = 0.0  # of all drivers, at that time
        self._asks_left = 0  # before shares are computed again

    def accepts(self, name: str, peer: bytes) -> bool:
        """Return False if a connection names one driver too many."""
        of_peer = self._of_peer.get(peer, ())
        return not peer or name in of_peer or len(of_peer) < _MOST_OF_PEER

    def asks(self, ask: AskExecutors, now: float, peer: bytes) -> Driver:
        """Record a driver's total demand, less the grants still in transit."""
        driver = self._known(ask.driver, now)
        self._unbind(ask.driver, driver)
        driver.peer = peer
        self._of_peer.setdefault(peer, set()).add(ask.driver)
        driver.is_called = False
        driver.unheard = [each for each in driver.unheard if each[0] > ask.answered]
        granted = sum([count for _, count in driver.unheard])
        driver.open_count = min(max(0, ask.executor_count - granted), _MOST_WANTED)
        driver.memory_mb = max(0, ask.memory_mb)
        _reckon(driver, now)
        driver.bid = ask.bid
        driver.weight = max(LEAST_BID, ask.bid)
        driver.script = ask.script[:_MOST_CHARACTERS]
        driver.module = ask.module
        driver.asked_at = now
        return driver

    def claim_of(self, name: str) -> tuple[int, int, float] | None:
        driver = self._drivers.get(name)
        return driver.claim if driver is not None else None

    def holds(self, name: str, now: float, more: int = 1) -> None:
        """Record that a driver holds one executor more, or one less."""
        driver = self._known(name, now)
        _reckon(driver, now)
        driver.held += more
        if driver.held == more == 1:
            driver.turn_ends_at = now + self._turn_s

    def share_of(self, asking: str, now: float) -> int | None:
        """Return the most executors a driver may hold; None: known only after a later ask.

        All shares are computed at each ask while there are few drivers; with n drivers, at every
        n/16-th.
        """
        self._asks_left -= 1
        if self._asks_left <= 0:
            self.shares(now, asking)
        return self._shares.get(asking)

    def shares(self, now: float, asking: str = "") -> dict[str, int]:
        """Return the most executors of each driver now, including a driver that asks for none."""
        claims: list[Claim] = []
        for each, driver in list(self._drivers.items()):
            if now - driver.asked_at > self._demand_s:
                driver.open_count = 0
            held, wanted = driver.held, driver.held + driver.open_count
            if not wanted and each != asking:
                self._unbind(each, self._drivers.pop(each))
                continue
            served_s = driver.served_s + held * (now - driver.served_until) / driver.weight
            is_in_turn = held > 0 and now < driver.turn_ends_at
            capacity = self._capacity.of(driver.memory_mb)
            claims.append(
                Claim(
                    bid=driver.weight,
                    held=held,
                    wanted=wanted,
                    capacity=capacity,
                    served_s=served_s,
                    is_in_turn=is_in_turn,
                )
            )
        self._shares = dict(zip(self._drivers, shares(claims), strict=True))
        self._least_served_s = min((each.served_s for each in self._drivers.values()), default=0.0)
        self._asks_left = len(self._drivers) // _PART_PER_SHARES
        return self._shares

    def to_call(self, now: float, free_count: int) -> list[Driver]:
        """Return drivers for which a new ask brings a change, each once until its next ask.

        Two kinds qualify: drivers that hold more than a reduced share and, as far as there are free
        executors, drivers with open demand that hold the smallest part of their share.
        """
        found = []
        below = []
        for name, share in self.shares(now).items():
            driver = self._drivers[name]
            if driver.is_called or now - driver.asked_at > self._demand_s:
                continue
            if driver.told_share is not None and share < min(driver.told_share, driver.held):
                found.append(driver)
            elif driver.open_count and driver.held < share:
                below.append(
                    (driver.held / share, name, min(driver.open_count, share - driver.held))
                )
        for _, name, count in sorted(below):
            if free_count <= 0:
                break
            free_count -= count
            found.append(self._drivers[name])
        for driver in found:
            driver.is_called = True
        return found

    def runs(self, now: float) -> list[RunStatus]:
        """Return the runs that hold or want executors, for `glowpy status`."""
        found = []
        for name, each in self._drivers.items():
            silent_s = now - each.asked_at if each.asked_at > -inf else -1.0
            wanted = each.open_count if silent_s <= self._demand_s else 0
            if each.held or wanted:
                found.append(
                    RunStatus(
                        run=name,
                        script=each.script,
                        bid=each.bid,
                        executors_held=each.held,
                        executors_wanted=wanted,
                        memory_mb=each.memory_mb,
                        silent_s=silent_s,
                        module=each.module,
                    )
                )
        return found

    def _known(self, name: str, now: float) -> Driver:
        driver = self._drivers.get(name)
        if driver is None:
            # Not behind the present drivers: a new driver would otherwise get every turn.
            if len(self._drivers) < _PART_PER_SHARES:
                served = [each.served_s for each in self._drivers.values()]
                self._least_served_s = min(served, default=0.0)
            driver = Driver(served_s=self._least_served_s, served_until=now)
            self._drivers[name] = driver
        return driver

    def _unbind(self, name: str, driver: Driver) -> None:
        of_peer = self._of_peer.get(driver.peer, set())
        of_peer.discard(name)
        if not of_peer:
            self._of_peer.pop(driver.peer, None)

    def check_invariants(self, holders: Sequence[str]) -> None:
        """For tests: check the counts against the holders of leases. Raises: AssertionError."""
        held = Counter(holders)
        for name, driver in self._drivers.items():
            assert driver.held == held.pop(name, 0), name
            assert driver.open_count >= 0, name
            assert not driver.peer or name in self._of_peer[driver.peer], name
        assert not held, "somebody is forgotten who holds an executor"


def _reckon(driver: Driver, now: float) -> None:
    """Update the time for which a driver has held executors, before the holdings change."""
    driver.served_s += driver.held * (now - driver.served_until) / driver.weight
    driver.served_until = now
