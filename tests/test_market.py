"""The market matches groups to executors, with the same result as a search over all pairs.

An executor is written `e1@host`, a group by its number and the place of its input.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.driver.scheduling.free_executors import Agent, FreeExecutors
from glowpy.driver.scheduling.market import Market, Origin, score
from glowpy.locality import Place

BID = 100.0
EAST1, EAST2 = Place("east", "r1", "h1"), Place("east", "r1", "h2")
EAST3, WEST = Place("east", "r2", "h3"), Place("west", "r1", "h4")


def origin(*places: Place) -> Origin:
    return Origin(tuple(sorted(places)), lambda: [(place, 1) for place in places])


class MarketBench:
    """A market and one supply of executors."""

    def __init__(self) -> None:
        self.market = Market(BID)
        self.supply = FreeExecutors()
        self.agents: list[Agent] = []
        self.reads: dict[int, tuple[Place, ...]] = {}

    def agent(self, place: Place, executors: int, cpu_level: int = 1, load: int = 0) -> Agent:
        number = len(self.agents) + 1
        agent = Agent(f"a{number}", place, cpu_level, number)
        agent.load = load
        self.agents.append(agent)
        for each in range(executors):
            self.supply.add(f"{agent.name}.{each + 1}", agent)
        return agent

    def demand(self, group: int, *places: Place) -> None:
        self.reads[group] = places
        self.market.demand(group, origin(*places))

    def trade(self) -> list[tuple[int, str]]:
        """All matches that are possible now."""
        made = []
        for group, executor in self.market.match(self.supply):
            made.append((group, executor))
            self.market.withdraw(group)
            self.supply.discard(executor)
            (agent,) = [each for each in self.agents if executor.startswith(f"{each.name}.")]
            agent.load += 1
            self.supply.load_changed(agent)
        return made


def test_a_score_is_the_bid_divided_by_the_distance_and_one():
    assert score(100.0, 0) == 100.0
    assert score(100.0, 1) == 50.0
    assert score(100.0, 1000 + 10 + 1) == 100.0 / 1012


def test_each_group_goes_to_the_executor_closest_to_its_inputs():
    bench = MarketBench()
    for place in (EAST1, EAST2, EAST3, WEST):
        bench.agent(place, 1)
    for group, place in enumerate((WEST, EAST3, EAST2, EAST1)):
        bench.demand(group, place)
    assert bench.trade() == [(3, "a1.1"), (2, "a2.1"), (1, "a3.1"), (0, "a4.1")]


def test_server_then_rack_then_data_center_then_anywhere():
    for agents, taken in [
        ((WEST, EAST3, EAST2, EAST1), "a4.1"),
        ((WEST, EAST3, EAST2), "a3.1"),
        ((WEST, EAST3), "a2.1"),
        ((WEST,), "a1.1"),
    ]:
        bench = MarketBench()
        for place in agents:
            bench.agent(place, 1)
        bench.demand(0, EAST1)
        assert bench.trade() == [(0, taken)]


def test_an_executor_takes_the_group_that_scores_highest():
    bench = MarketBench()
    bench.agent(EAST1, 1)
    bench.demand(0, WEST)
    bench.demand(1, EAST3)
    bench.demand(2, EAST1)
    bench.demand(3, EAST2)
    assert bench.trade() == [(2, "a1.1")]
    bench.supply.add("a1.2", bench.agents[0])
    assert bench.trade() == [(3, "a1.2")]


def test_distances_of_all_inputs_add_up():
    bench = MarketBench()
    bench.agent(EAST1, 1)
    bench.agent(EAST2, 1)
    bench.demand(0, EAST1, EAST2, EAST2)
    assert bench.trade() == [(0, "a2.1")]


def test_equal_groups_spread_over_agents():
    bench = MarketBench()
    for place in (EAST1, EAST2, EAST3, WEST):
        bench.agent(place, 2)
    for group in range(8):
        bench.demand(group)
    made = bench.trade()
    assert [executor[:2] for _, executor in made] == ["a1", "a2", "a3", "a4"] * 2
    assert [group for group, _ in made] == list(range(8))


def test_an_agent_that_is_at_work_comes_after_one_that_is_not():
    bench = MarketBench()
    bench.agent(EAST1, 2, load=2)
    bench.agent(EAST2, 2)
    bench.demand(0)
    assert bench.trade() == [(0, "a2.1")]


def test_a_faster_core_comes_first_among_equals():
    bench = MarketBench()
    bench.agent(EAST1, 1)
    bench.agent(EAST2, 2, cpu_level=2, load=1)
    for group in range(3):
        bench.demand(group)
    assert bench.trade() == [(0, "a2.1"), (1, "a2.2"), (2, "a1.1")]


def test_a_closer_executor_comes_first():
    bench = MarketBench()
    bench.agent(EAST1, 1)
    bench.agent(EAST2, 1, cpu_level=9)
    bench.demand(0, EAST1)
    assert bench.trade() == [(0, "a1.1")]


def test_a_group_withdrawn_is_not_matched():
    bench = MarketBench()
    bench.demand(0)
    bench.demand(1)
    bench.market.withdraw(0)
    bench.agent(EAST1, 2)
    assert bench.trade() == [(1, "a1.1")]
    bench.demand(0)
    assert bench.trade() == [(0, "a1.2")]
    assert len(bench.market) == 0


PLACES = st.builds(Place, st.sampled_from("de"), st.sampled_from("rs"), st.sampled_from("hijk"))


@pytest.mark.slow
@given(
    st.lists(st.lists(st.tuples(PLACES, st.integers(1, 3), st.integers(1, 2)), max_size=6)),
    st.lists(st.lists(st.lists(PLACES, max_size=30), max_size=8), min_size=1),
)
def test_the_pair_that_goes_first_scores_highest_of_all_pairs(supplies, demands):
    bench = MarketBench()
    group = 0
    for round_number, origins in enumerate(demands):
        for place, executors, level in (
            supplies[round_number] if round_number < len(supplies) else []
        ):
            bench.agent(place, executors, level)
        for places in origins:
            bench.demand(group, *places)
            group += 1
        waiting = {each: reads for each, reads in bench.reads.items() if each in bench.market}
        offers = {executor: bench.supply._agents[executor] for executor in bench.supply}
        for taken, executor in bench.trade():
            best = max(
                score(BID, sum(agent.place.distance(place) for place in reads))
                for reads in waiting.values()
                for agent in offers.values()
            )
            agent = offers.pop(executor)
            reads = waiting.pop(taken)
            assert score(BID, sum(agent.place.distance(each) for each in reads)) == best
        assert not waiting or not offers, "a group and an executor wait for each other"
