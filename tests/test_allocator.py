"""glowpy.master.allocator: distribution, limits, leases. Competition is in test_competition.py."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from glowpy.locality import Place
from glowpy.master.topology import Agent
from glowpy.wire.messages import AskExecutors, Grants, Lease, LeaseInUse
from tests.allocator_bench import DEMAND_S, LEASE_S, Bench, agent, spread

# --- how much, and where ----------------------------------------------------------------------


def test_an_ask_repeated_before_its_answer_came_is_granted_once():
    bench = Bench(agent("a", 8))
    ask = AskExecutors("d", 2, 0, 64, "", "", 100.0, number=1)
    assert len(bench.allocator.ask(ask, 0.0).leases) == 2
    assert bench.allocator.ask(ask._replace(number=2), 0.0).leases == ()
    more = ask._replace(number=3, executor_count=5)
    assert len(bench.allocator.ask(more, 0.0).leases) == 3
    heard = ask._replace(number=4, answered=1)  # three leases are in transit
    assert bench.allocator.ask(heard, 0.0).leases == ()
    heard = ask._replace(number=5, answered=4)
    assert len(bench.allocator.ask(heard, 0.0).leases) == 2


def test_eight_asks_use_all_of_four_agents():
    bench = Bench(*(agent(name) for name in "abcd"))
    assert spread(bench.ask(8)) == {"a": 2, "b": 2, "c": 2, "d": 2}


def test_no_agent_is_filled_before_the_next_gets_one():
    bench = Bench(*(agent(name, executors=8) for name in "abcd"))
    assert spread(bench.ask(4)) == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_single_asks_spread_too():
    bench = Bench(*(agent(name) for name in "abcd"))
    assert [bench.ask(1)[0].agent for _ in range(4)] == ["a", "b", "c", "d"]


def test_six_asks_on_two_and_two_give_four():
    bench = Bench(agent("a"), agent("b"))
    assert spread(bench.ask(6)) == {"a": 2, "b": 2}
    assert bench.ask(6) == []


def test_three_asks_of_two_units_on_five_and_five_give_three():
    bench = Bench(agent("a", 5, memory_mb=5), agent("b", 5, memory_mb=5))
    assert len(bench.ask(3, memory_mb=2)) == 3
    assert len(bench.ask(3, memory_mb=2)) == 1, "two units each are left, and one on either is not"


def test_an_ask_too_big_for_the_emptiest_agent_finds_another():
    bench = Bench(agent("a", 8, memory_mb=100), agent("b", 1, memory_mb=1000))
    assert spread(bench.ask(2, memory_mb=500)) == {"b": 1}
    assert spread(bench.ask(9, memory_mb=50)) == {"a": 2}


def test_the_answer_says_what_the_cluster_has():
    bench = Bench(agent("a", 2, memory_mb=100), agent("b", 3, memory_mb=700), agent("c", 0, 9999))
    grants = bench.grants(1, memory_mb=800)
    assert grants == Grants((), 0, agents_known=3, executors_known=5, largest_memory_mb=700)


def test_a_master_without_agents_grants_nothing():
    assert Bench().grants(3) == Grants((), 0, 0, 0, 0)


@pytest.mark.parametrize("wanted", [0, -1])
def test_asking_for_nothing_gives_nothing(wanted):
    assert Bench(agent("a")).ask(wanted) == []


def test_preferred_rack_then_data_center_then_anywhere():
    bench = Bench(
        agent("a", 4, dc="east", rack="r1"),
        agent("b", 3, dc="west", rack="r1"),
        agent("c", 1, dc="west", rack="r2"),
    )
    leases = bench.ask(6, dc="west", rack="r2")
    assert [lease.agent for lease in leases] == ["c", "b", "b", "b", "a", "a"]


def test_a_rack_alone_may_be_preferred():
    bench = Bench(agent("a", 4, rack="r1"), agent("b", 1, rack="r2"))
    assert [lease.agent for lease in bench.ask(2, rack="r2")] == ["b", "a"]


def test_faster_cores_come_first():
    slow, fast = agent("a", 4), Agent("b", "b:8931", Place("dc", "r", "b"), 3, 2, 1024)
    leases = Bench(slow, fast).ask(3)
    assert [(lease.agent, lease.cpu_level) for lease in leases] == [("b", 3), ("b", 3), ("a", 1)]


# --- a lease's life ---------------------------------------------------------------------------


def test_a_heartbeat_does_not_overwrite_what_was_granted():
    bench = Bench(agent("a"))
    bench.ask(2)
    bench.report("a")
    assert bench.ask(1) == []


def test_a_lease_no_longer_reported_is_free():
    bench = Bench(agent("a"))
    first, second = bench.ask(2)
    bench.report("a", first, second)
    bench.now += 10 * LEASE_S
    bench.report("a", first, second)
    assert bench.ask(1) == [], "a lease in use does not run out"
    bench.report("a", second)
    assert len(bench.ask(2)) == 1


def test_a_lease_never_reported_runs_out():
    bench = Bench(agent("a"))
    first, _ = bench.ask(2)
    bench.report("a", first)
    bench.now = LEASE_S - 0.1
    assert bench.ask(2) == []
    bench.now = LEASE_S
    assert len(bench.ask(2)) == 1


def test_a_lease_given_back_is_free_at_once():
    bench = Bench(agent("a", memory_mb=64))
    leases = bench.ask(2)
    assert len(leases) == 1
    bench.give_back(leases)
    bench.give_back(leases)
    assert len(bench.ask(2)) == 1


def test_a_lease_in_use_is_not_given_back_by_words():
    bench = Bench(agent("a", 1))
    leases = bench.ask(1)
    bench.report("a", *leases)
    bench.give_back(leases)
    assert bench.ask(1) == [], "its agent says when the executor is gone"


def test_a_new_master_learns_from_heartbeats():
    bench = Bench(agent("a", 3))
    bench.report("a", "before-1", "before-2")
    assert len(bench.ask(3)) == 1
    bench.report("a", "before-2")
    assert len(bench.ask(3)) == 1


def test_leased_memory_of_before_counts():
    bench = Bench(agent("a", 4, memory_mb=100))
    bench.allocator.hear(bench.agents["a"], [LeaseInUse("x", "before", 80)], bench.now)
    assert bench.ask(1, memory_mb=30) == []
    assert len(bench.ask(1, memory_mb=20)) == 1


def test_a_lost_agents_leases_go_with_it():
    bench = Bench(agent("a"), agent("b"))
    leases = bench.ask(4)
    bench.report("a", *(lease for lease in leases if lease.agent == "a"))
    for name in "ab":
        bench.allocator.forget(name)
        bench.allocator.check_invariants()
    bench.give_back(leases)
    bench.now += LEASE_S
    assert bench.grants(4) == Grants((), 0, 0, 0, 0)


def test_an_agent_over_its_new_limit_gets_no_executor():
    bench = Bench(agent("a", 3))
    leases = bench.ask(3)
    bench.report("a", *leases)
    bench.agents["a"] = agent("a", 1)
    bench.report("a", *leases)
    assert bench.ask(1) == []
    bench.report("a", leases[0])
    assert bench.ask(1) == []
    bench.report("a")
    assert len(bench.ask(2)) == 1


# --- any order of events ----------------------------------------------------------------------


class Cluster(RuleBasedStateMachine):
    """Agents that start launched executors, drivers that launch, return or forget their leases."""

    @initialize(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5))
    def build(self, sizes):
        names = [f"a{number}" for number in range(len(sizes))]
        self.bench = Bench(
            *(agent(name, size, 256) for name, size in zip(names, sizes, strict=True))
        )
        self.sizes = dict(zip(names, sizes, strict=True))
        self.unused: list[tuple[float, Lease]] = []  # with the time of expiry
        self.running: dict[str, list[Lease]] = {name: [] for name in names}
        self.gone: set[str] = set()

    @rule(
        wanted=st.integers(0, 12),
        driver=st.sampled_from(["d1", "d2"]),
        memory_mb=st.sampled_from([0, 64, 100]),
    )
    def ask(self, wanted, driver, memory_mb):
        leases = self.bench.ask(wanted, driver, memory_mb)
        assert len(leases) <= wanted
        assert not {lease.agent for lease in leases} & self.gone
        self.unused += [(self.bench.now + LEASE_S, lease) for lease in leases]

    @rule()
    def called_drivers_ask(self):
        """Ask until no driver is called; then every free executor that a driver wants is leased."""
        for _ in range(50):
            called = self.bench.allocator.to_call(self.bench.now)
            if not called:
                break
            for driver in called:
                self.ask(12, driver.decode(), 64)
        assert not called, "they are called again and again"

    def pick(self, data):
        return self.unused.pop(data.draw(st.integers(0, len(self.unused) - 1)))[1]

    @rule(data=st.data(), heard=st.booleans())
    def launch(self, data, heard):
        if self.unused:
            lease = self.pick(data)
            if lease.agent not in self.gone:
                self.running[lease.agent].append(lease)
                # the agent's heartbeat comes in time: an executor starts within lease_s
                self.bench.report(lease.agent, *self.running[lease.agent])

    @rule(data=st.data())
    def give_back(self, data):
        if self.unused:
            self.bench.give_back([self.pick(data)])

    @rule(data=st.data())
    def executor_ends(self, data):
        name = data.draw(st.sampled_from(sorted(self.running)))
        if self.running[name] and name not in self.gone:
            self.running[name].pop(data.draw(st.integers(0, len(self.running[name]) - 1)))
            self.bench.report(name, *self.running[name])

    @rule(data=st.data())
    def agent_is_lost(self, data):
        name = data.draw(st.sampled_from(sorted(self.running)))
        self.gone.add(name)
        self.running[name] = []
        self.unused = [pair for pair in self.unused if pair[1].agent != name]
        self.bench.allocator.forget(name)

    @rule(data=st.data())
    def agent_comes(self, data):
        name = data.draw(st.sampled_from(sorted(self.running)))
        self.gone.discard(name)
        self.bench.report(name, *self.running[name])

    @rule(pause_s=st.sampled_from([0.1, 1.0, LEASE_S]))
    def time_passes(self, pause_s):
        self.bench.now += pause_s
        self.unused = [pair for pair in self.unused if pair[0] > self.bench.now]
        self.bench.allocator.expire(self.bench.now)

    @rule()
    def everything_freed_comes_back(self):
        self.bench.now += LEASE_S + DEMAND_S
        self.unused = []
        for name in self.running:
            if name not in self.gone:
                self.running[name] = []
                self.bench.report(name)
        leases = self.bench.ask(1000, "d1", 0)
        present = {name: size for name, size in self.sizes.items() if name not in self.gone}
        assert spread(leases) == {name: size for name, size in present.items() if size}
        half = leases[: len(leases) // 2]
        taken = Counter(lease.agent for lease in half)
        free = {name: present[name] - taken[name] for name in taken}
        assert not free or max(free.values()) - min(free.values()) <= 1, "taken evenly"
        self.bench.give_back(leases)

    @invariant()
    def never_over_committed(self):
        if not hasattr(self, "bench"):
            return
        self.bench.allocator.check_invariants()
        used = Counter(lease.agent for _, lease in self.unused)
        memory = Counter[str]()
        for _, lease in self.unused:
            memory[lease.agent] += lease.memory_mb
        for name, leases in self.running.items():
            assert used[name] + len(leases) <= self.sizes[name]
            assert memory[name] + sum(lease.memory_mb for lease in leases) <= 256


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=60, stateful_step_count=30)
