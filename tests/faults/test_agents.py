"""Agents that die, restart or join: only lost groups are computed again."""

from __future__ import annotations

import pytest

from glowpy.testing import LocalCluster, started
from tests.faults.checks import BOUND_S, kill_and_await_loss
from tests.faults.flows import EXPECTED, MAPS, READS, again, agents_of, held, release, steps_of
from tests.processes import await_end

pytestmark = pytest.mark.slow


def test_an_agent_dies_with_a_running_group(cluster: LocalCluster) -> None:
    """The groups at other agents continue and are not started again."""
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    victim = agents_of(cluster, faults)[1]
    cluster.kill_agent(victim)
    await_end(faults[1].pid)  # the agent's executor has ended by itself
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {1: 1}


def test_two_agents_die_at_once(cluster: LocalCluster) -> None:
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    agents = agents_of(cluster, faults)
    cluster.kill_agent(agents[0])
    cluster.kill_agent(agents[2])
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {0: 1, 2: 1}


def test_an_agent_dies_with_shards_that_are_still_to_be_read(cluster: LocalCluster) -> None:
    """The shards at the dead agent are computed again; only their readers start again."""
    producers = held(cluster, "Map1")
    readers = held(cluster, "Map4")
    run = started(steps_of(cluster.flow()).collect)
    victim = agents_of(cluster, producers)[1]
    release(producers)
    agents_of(cluster, readers)
    kill_and_await_loss(cluster, victim)
    release(readers)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {1: 1}
    assert again(cluster, READS) == {0: 1, 1: 1, 2: 1}


def test_an_agent_dies_under_a_reader_in_mid_pull(cluster: LocalCluster) -> None:
    """Readers at other agents detect the incomplete pull and start again."""
    rows = cluster.flow().slice(range(60), 3).map(lambda row: bytes([row]) * (3 << 20))
    sizes = rows.round_robin(2).map(lambda row: (row[0], len(row)))
    producer = cluster.hold_executor(18, step="Map1", task=0)
    reader = cluster.hold_executor(2, step="Map4", task=0)
    run = started(sizes.collect)
    assert cluster.agent_of(reader.wait()) != cluster.agent_of(producer.wait())
    kill_and_await_loss(cluster, cluster.agent_of(producer.pid))
    release([producer, reader])
    assert sorted(run.result(BOUND_S)) == [(row, 3 << 20) for row in range(60)]
    assert again(cluster, "Input0>Map1") == {0: 1}
    assert again(cluster, "RoundRobin_collect3>Map4")[0] == 1


def test_an_agent_dies_that_held_an_ancestor_three_steps_back(cluster: LocalCluster) -> None:
    """Recompute the needed shards and those of their ancestors that were at the dead agent."""
    rows = cluster.flow().slice(range(90), 3).map(lambda row: (row, 1))
    for _ in range(3):
        rows = rows.partition(3).map(lambda pair: (pair[0] + 1, pair[1]))
    stages = [held(cluster, step) for step in ("Map1", "Map4", "Map7", "Map10")]
    run = started(rows.collect)
    for stage in stages[:-1]:  # each agent has one group of each stage
        agents_of(cluster, stage)
        release(stage)
    agents_of(cluster, stages[-1])
    attempts = cluster.attempts()
    victim = cluster.agent_of(stages[-1][0].pid)
    lost = {each.name for each in attempts if cluster.agent_of(each.pid) == victim}
    kill_and_await_loss(cluster, victim)
    release(stages[-1])
    assert sorted(run.result(BOUND_S)) == [(row + 3, 1) for row in range(90)]
    readers = {each.name for each in attempts if "Map10" in each.steps}
    assert len(lost) == 4 and len(readers) == 3
    assert cluster.recomputed() == dict.fromkeys(lost | readers, 1)


def test_unneeded_groups_are_not_computed_again(cluster: LocalCluster) -> None:
    """The shards' readers have completed, and the readers' output is at other agents."""
    rows = cluster.flow().slice(range(60), 3).map(abs).partition(2).map(abs).partition(3).map(abs)
    first = cluster.hold_executor(step="Map1", at_end=True, task=0)
    middle = [cluster.hold_executor(step="Map4", at_end=True, task=task) for task in range(2)]
    last = [cluster.hold_executor(step="Map7", task=task) for task in range(3)]
    run = started(rows.collect)
    victim = cluster.agent_of(first.wait())
    cluster.faults.wait_for(lambda: len(cluster.attempts()) == 5)  # pipelined, at the other agents
    first.release()
    assert victim not in agents_of(cluster, middle)
    release(middle)
    agents_of(cluster, last)  # on every executor: the driver has registered the middle as complete
    lost = {each.name for each in cluster.attempts() if cluster.agent_of(each.pid) == victim}
    cluster.kill_agent(victim)
    release(last)
    assert sorted(run.result(BOUND_S)) == list(range(60))
    needed = {name for name in lost if "Map7" in name}
    assert lost > needed and cluster.recomputed() == dict.fromkeys(needed, 1)


def test_consumers_that_wait_give_way_to_their_producer(cluster: LocalCluster) -> None:
    """The consumers occupy all remaining executors while their input has to be computed again."""
    producer = cluster.hold_executor(50, step="Map1", task=0)
    run = started(steps_of(cluster.flow()).collect)
    victim = cluster.agent_of(producer.wait())
    cluster.faults.wait_for(lambda: len(cluster.attempts()) == 5)  # both consumers are pipelined
    cluster.kill_agent(victim)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {0: 1}
    # A reader that detects the loss before the driver may be started once more, or its neighbour.
    assert set(again(cluster, READS)) >= {0, 1}
    assert victim not in {cluster.agent_of(each.pid) for each in cluster.attempts()[5:]}


def test_an_agent_is_restarted_without_its_shards(cluster: LocalCluster) -> None:
    """A restarted agent on the same port is not mistaken for its predecessor."""
    producers = held(cluster, "Map1")
    readers = held(cluster, "Map4")
    run = started(steps_of(cluster.flow()).collect)
    victim = agents_of(cluster, producers)[2]
    release(producers)
    agents_of(cluster, readers)
    kill_and_await_loss(cluster, victim)
    cluster.restart_agent(victim)
    release(readers)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {2: 1}
    assert again(cluster, READS) == {0: 1, 1: 1, 2: 1}


def test_all_agents_are_gone_for_a_while(cluster: LocalCluster) -> None:
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    agents_of(cluster, faults)
    for agent in range(3):
        cluster.kill_agent(agent)
    release(faults)
    for agent in (1, 2):
        cluster.restart_agent(agent)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {0: 1, 1: 1, 2: 1}


def test_an_agent_joins_late() -> None:
    """The first agent joins while the driver waits for executors, the second during the run."""
    with LocalCluster(agents=0) as cluster:
        first = cluster.hold_executor(50, step="Map1", task=0)
        run = started(steps_of(cluster.flow()).collect)
        cluster.add_agent()
        first.wait()
        second = cluster.hold_executor(50, step="Map1", task=1)
        cluster.add_agent()
        assert cluster.agent_of(second.wait()) == 1
        release([first, second])
        assert sorted(run.result(BOUND_S)) == EXPECTED
        assert cluster.recomputed() == {}
