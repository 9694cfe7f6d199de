"""glowpy.master.topology: members, distances, evictions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.locality import Place
from glowpy.master.topology import Agent, Topology
from glowpy.wire.messages import Heartbeat

EVICTION_S = 15.0

BEAT = Heartbeat(
    agent="a",
    address="127.0.0.1:8931",
    data_center="dc1",
    rack="r1",
    cpu_level=1,
    executor_limit=2,
    memory_mb=1024,
    leases=(),
)
HERE = Place("dc1", "r1", "h1")


@pytest.mark.parametrize(
    ("there", "distance"),
    [
        (HERE, 1),
        (Place("dc1", "r1", "h2"), 10),
        (Place("dc1", "r2", "h2"), 100),
        (Place("dc2", "r1", "h2"), 1000),
    ],
)
def test_distance_is_that_of_glow(there, distance):
    assert HERE.distance(there) == there.distance(HERE) == distance


def test_an_agent_joins_once():
    topology = Topology(EVICTION_S)
    first = topology.hear(BEAT, 0.0)
    second = topology.hear(BEAT._replace(executor_limit=4), 1.0)
    assert (first.joined, first.replaced) == (True, None)
    assert (second.joined, second.replaced) == (False, None)
    assert topology.get("a") == second.agent
    assert second.agent.executor_limit == 4
    assert second.agent.place == Place("dc1", "r1", "127.0.0.1")


def test_a_restarted_agent_replaces_the_one_on_its_address():
    topology = Topology(EVICTION_S)
    old = topology.hear(BEAT, 0.0).agent
    change = topology.hear(BEAT._replace(agent="b"), 1.0)
    assert (change.joined, change.replaced) == (True, old)
    assert [agent.agent for agent in topology.agents()] == ["b"]
    assert topology.evict(1.0 + EVICTION_S) == [change.agent]
    topology.check_invariants()


def test_an_agent_that_moves_leaves_its_old_address():
    topology = Topology(EVICTION_S)
    topology.hear(BEAT, 0.0)
    topology.hear(BEAT._replace(address="127.0.0.1:9000"), 1.0)
    change = topology.hear(BEAT._replace(agent="b"), 2.0)
    assert change.replaced is None
    assert len(topology) == 2


def test_only_the_silent_are_evicted():
    topology = Topology(EVICTION_S)
    topology.hear(BEAT, 0.0)
    topology.hear(BEAT._replace(agent="b", address="127.0.0.2:8931"), 1.0)
    topology.hear(BEAT, 10.0)
    assert topology.evict(15.9) == []
    assert [agent.agent for agent in topology.evict(16.0)] == ["b"]
    assert [agent.agent for agent in topology.evict(25.0)] == ["a"]
    assert len(topology) == 0


def test_negative_limits_are_none():
    agent = Agent.of(BEAT._replace(executor_limit=-1, memory_mb=-5))
    assert (agent.executor_limit, agent.memory_mb) == (0, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"), st.sampled_from(["h:1", "h:2", "h:3"]), st.integers(0, 9)
        )
    )
)
def test_indexes_agree_after_any_messages(events):
    topology = Topology(EVICTION_S)
    now = 0.0
    for agent, address, pause_s in events:
        now += pause_s
        topology.evict(now)
        topology.hear(BEAT._replace(agent=agent, address=address), now)
        topology.check_invariants()
        assert topology.get(agent) is not None
