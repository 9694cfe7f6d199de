"""Drivers that want more executors than exist: shares by bid, without starvation."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowpy.master.shares import LEAST_BID, Claim, shares
from glowpy.wire.messages import Lease
from tests.allocator_bench import DEMAND_S, TURN_S, Bench, agent

HEARTBEAT_S = 5.0
ASK_S = 1.0

# --- dividing ---------------------------------------------------------------------------------


def claim(wanted: int, bid: float = 100.0, held: int = 0, capacity: int = 8) -> Claim:
    return Claim(bid, held, wanted, capacity)


@pytest.mark.parametrize(
    ("claims", "divided"),
    [
        ([], []),
        ([claim(20)], [8]),
        ([claim(20), claim(20)], [4, 4]),
        ([claim(20), claim(1)], [7, 1]),
        ([claim(1), claim(2)], [1, 2]),
        ([claim(0), claim(20)], [0, 8]),
        ([claim(20, bid=300.0), claim(20)], [6, 2]),
        ([claim(20, bid=300.0), claim(20), claim(1)], [5, 2, 1]),
        ([claim(20, bid=7e5), claim(20, bid=1.0)], [7, 1]),
        ([claim(20, bid=7e5), claim(20, bid=1.0), claim(20, bid=1.0)], [6, 1, 1]),
        ([claim(9, bid=300.0, capacity=5), claim(9, held=5, capacity=5)], [4, 1]),
        ([claim(9, bid=300.0, capacity=5), claim(2, held=2, capacity=5)], [4, 1]),
        ([claim(20, bid=0.0), claim(20, bid=100.0)], [1, 7]),
        ([claim(9, held=2), claim(9, held=3), claim(9, held=3)], [2, 3, 3]),
        ([claim(9, capacity=2), claim(9, capacity=8)], [1, 4]),
        ([claim(9, capacity=1), claim(9, capacity=1)], [1, 0]),
        ([claim(9, capacity=0), claim(9)], [0, 8]),
    ],
)
def test_the_cluster_is_divided_by_bid(claims: list[Claim], divided: list[int]) -> None:
    assert shares(claims) == divided


def test_drivers_take_turns_when_shares_are_less_than_an_executor() -> None:
    long_served = Claim(100.0, 1, 5, 1, served_s=9.0)
    new = Claim(100.0, 0, 5, 1, served_s=3.0)
    assert shares([long_served, new]) == [0, 1]
    in_turn = Claim(100.0, 1, 5, 1, served_s=9.0, is_in_turn=True)
    assert shares([in_turn, new]) == [1, 0], "it has only just got it"


@given(
    st.lists(
        st.builds(
            Claim,
            bid=st.floats(0, 1e6),
            held=st.integers(0, 50),
            wanted=st.integers(0, 50),
            capacity=st.integers(0, 40),
            served_s=st.floats(0, 1e6),
            is_in_turn=st.booleans(),
        ),
        max_size=12,
    )
)
def test_nothing_is_divided_twice_and_nothing_wanted_is_left(claims: list[Claim]) -> None:
    divided = shares(claims)
    assert all(0 <= n <= min(c.wanted, c.capacity) for n, c in zip(divided, claims, strict=True))
    used = sum(n / c.capacity for n, c in zip(divided, claims, strict=True) if n)
    assert used <= 1 + 1e-6
    for count, each in zip(divided, claims, strict=True):
        if count < min(each.wanted, each.capacity):
            assert used > 1 - 1 / each.capacity - 1e-6, "one more would have fitted"


@given(
    st.lists(
        st.builds(
            Claim,
            bid=st.floats(0, 1e6),
            held=st.integers(0, 50),
            wanted=st.integers(1, 50),
            capacity=st.just(12),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_shares_are_the_proportional_ones_within_one_executor(claims: list[Claim]) -> None:
    divided = shares(claims)
    assert sum(divided) == min(12, sum(claim.wanted for claim in claims))
    assert min(divided) >= 1, "there are as many executors as drivers"
    for count, ideal in zip(divided, ideal_shares(claims, 12), strict=True):
        assert abs(count - ideal) < 1.0 + 1e-6, (divided, ideal_shares(claims, 12))


def ideal_shares(claims: list[Claim], executors: int) -> list[float]:
    """Fractions of executors in proportion to the bids, each at least 1 and at most the demand.

    Found by bisection: the level is common to all.
    """
    low, high = 0.0, 100.0 / LEAST_BID
    for _ in range(200):
        level = (low + high) / 2
        found = [min(max(1.0, level * max(LEAST_BID, c.bid)), c.wanted) for c in claims]
        low, high = (level, high) if sum(found) < executors else (low, level)
    return found


# --- asking -----------------------------------------------------------------------------------


def test_a_driver_alone_gets_all():
    assert len(Bench(agent("a", 8)).ask(8)) == 8


def test_above_its_share_a_driver_waits_for_the_others():
    bench = Bench(agent("a", 8))
    mine = bench.ask(8, "greedy")
    assert bench.ask(4, "late") == []
    bench.give_back(mine[:2])
    assert bench.ask(8, "greedy") == [], "late is below its share and wants four"
    assert len(bench.ask(4, "late")) == 2


def test_an_expired_demand_blocks_no_other_driver():
    bench = Bench(agent("a", 8))
    mine = bench.ask(8, "greedy")
    assert bench.ask(4, "late") == []
    bench.give_back(mine[:2])
    bench.now += DEMAND_S + 0.1
    assert len(bench.ask(8, "greedy")) == 2


def test_a_withdrawn_demand_blocks_no_other_driver():
    bench = Bench(agent("a", 8))
    mine = bench.ask(8, "greedy")
    assert bench.ask(4, "late") == []
    assert bench.ask(0, "late") == []
    bench.give_back(mine[:2])
    assert len(bench.ask(8, "greedy")) == 2


def test_an_unsatisfiable_demand_blocks_no_other_driver():
    bench = Bench(agent("a", 8))
    assert bench.ask(8, "big", memory_mb=1_000_000) == []
    assert len(bench.ask(8, "small")) == 8


def test_unwanted_executors_go_to_a_driver_that_asks():
    bench = Bench(agent("a", 8))
    mine = bench.ask(8, "greedy")
    assert bench.ask(1, "modest") == []
    bench.give_back(mine[:4])
    assert len(bench.ask(8, "greedy")) == 3
    assert len(bench.ask(1, "modest")) == 1


def test_more_drivers_than_executors_take_turns():
    bench = Bench(agent("a", 2))
    drivers = ["d1", "d2", "d3"]
    first = {driver: bench.ask(2, driver) for driver in drivers}
    assert [len(first[driver]) for driver in drivers] == [2, 0, 0]
    bench.give_back(first["d1"][:1])
    assert bench.ask(2, "d1") == []
    assert bench.ask(2, "d3") == [], "d2 has waited longer"
    assert len(bench.ask(2, "d2")) == 1


# --- over time --------------------------------------------------------------------------------


@dataclass
class Held:
    """An executor, with the time at which its current group ends."""

    lease: Lease
    busy_until: float


@dataclass
class Driver:
    """Wants `most` executors for ever; each runs one group after another."""

    name: str
    bid: float
    most: int
    group_s: float
    held: list[Held] = field(default_factory=list)
    share: int | None = None
    served: int = 0

    def step(self, bench: Bench) -> None:
        now = bench.now
        over = len(self.held) - (len(self.held) if self.share is None else self.share)
        for executor in [each for each in self.held if each.busy_until <= now]:
            if over > 0:
                over -= 1
                self.held.remove(executor)
                report(bench, executor.lease.agent, without=executor.lease)
            else:
                self.served += 1
                executor.busy_until = now + self.group_s
        if now % ASK_S == 0:
            wanted = max(0, self.most - len(self.held))
            grants = bench.grants(wanted, self.name, bid=self.bid, held=len(self.held))
            self.share = grants.share
            for lease in grants.leases:
                self.held.append(Held(lease, now + self.group_s))
                report(bench, lease.agent, plus=lease)


IN_USE: dict[str, dict[str, Lease]] = {}


def report(
    bench: Bench, name: str, plus: Lease | None = None, without: Lease | None = None
) -> None:
    in_use = IN_USE.setdefault(name, {})
    if plus is not None:
        in_use[plus.lease] = plus
    if without is not None:
        del in_use[without.lease]
    bench.report(name, *in_use.values())


def compete(drivers: list[Driver], executors: int, duration_s: float) -> None:
    """Start one driver in each step, then let the time pass."""
    IN_USE.clear()
    bench = Bench(*(agent(f"a{n}", executors=2, memory_mb=10_000) for n in range(executors // 2)))
    started: list[Driver] = []
    while bench.now < duration_s:
        started = drivers[: len(started) + 1]
        for driver in started:
            driver.step(bench)
        bench.now += 0.5


def test_equal_bids_share_within_two_heartbeats() -> None:
    first = Driver("first", 100.0, most=20, group_s=1.0)
    second = Driver("second", 100.0, most=20, group_s=1.0)
    compete([first, second], executors=8, duration_s=2 * HEARTBEAT_S)
    assert [len(first.held), len(second.held)] == [4, 4]


def test_executors_change_drivers_at_the_end_of_running_groups() -> None:
    slow = Driver("slow", 100.0, most=20, group_s=60.0)
    second = Driver("second", 100.0, most=20, group_s=1.0)
    compete([slow, second], executors=8, duration_s=59.0)
    assert [len(slow.held), len(second.held)] == [8, 0]
    slow, second = Driver("slow", 100.0, 20, 60.0), Driver("second", 100.0, 20, 1.0)
    compete([slow, second], executors=8, duration_s=60.0 + 2 * ASK_S + 0.5)
    assert [len(slow.held), len(second.held)] == [4, 4]


def test_more_drivers_than_executors_are_all_served() -> None:
    drivers = [Driver(f"d{n}", 100.0, most=5, group_s=1.0) for n in range(5)]
    compete(drivers, executors=2, duration_s=20 * TURN_S)
    served = [driver.served for driver in drivers]
    assert min(served) > max(served) / 2, served


@pytest.mark.slow
@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from([50.0, 100.0, 300.0]), st.integers(1, 12), st.integers(1, 4)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([2, 4, 8, 16]),
)
def test_every_driver_gets_its_share_and_no_more(drawn, executors) -> None:
    drivers = [
        Driver(f"d{n}", bid, most, float(group_s)) for n, (bid, most, group_s) in enumerate(drawn)
    ]
    compete(drivers, executors, duration_s=12 * TURN_S)
    assert all(driver.served for driver in drivers), "none starves"
    held = [len(driver.held) for driver in drivers]
    assert sum(held) <= executors
    claims = [claim(d.most, d.bid, capacity=executors) for d in drivers]
    if min(shares(claims)) > 0:  # drivers with a share of 0 take turns
        for count, fair in zip(held, shares(claims), strict=True):
            assert abs(count - fair) <= 1, (held, shares(claims))
