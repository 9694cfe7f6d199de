"""A master that dies, restarts, starts late, or stays away after it has granted executors."""

from __future__ import annotations

import pytest

from glowpy import Channel
from glowpy.testing import LocalCluster, started
from tests.faults.checks import BOUND_S, Notes
from tests.faults.flows import EXPECTED, agents_of, held, release, steps_of
from tests.processes import await_idle

pytestmark = pytest.mark.slow

TIME_SCALE = 0.2


def test_the_master_is_restarted_in_the_middle(cluster: LocalCluster) -> None:
    """The new master learns the granted executors from heartbeats and grants more on request."""
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    agents_of(cluster, faults)
    cluster.restart_master()
    killed = cluster.kill_executor(step="Map4", task=1)  # the lost group needs another executor
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert killed.has_happened
    assert cluster.recomputed() == {"Partition_collect3>Map4 task 1": 1}


def test_an_executor_dies_while_there_is_no_master(cluster: LocalCluster) -> None:
    """The run continues with the executors that remain, or waits."""
    faults = held(cluster, "Map1", at_row=50)
    cluster.kill_executor(step="Map4", times=3)
    with Notes() as notes:
        run = started(steps_of(cluster.flow()).collect)
        agents_of(cluster, faults)
        cluster.kill_master()
        release(faults)
        notes.wait_for(r"waiting for the master at \S+, which no longer answers")
    cluster.restart_master()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert sum(cluster.recomputed().values()) == 3


def test_the_master_stays_away_after_its_grants(cluster: LocalCluster) -> None:
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    agents_of(cluster, faults)
    cluster.kill_master()
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert cluster.recomputed() == {}


def test_a_streaming_group_moves_to_another_executor_without_a_master(
    cluster: LocalCluster,
) -> None:
    """The group's executor has died, and no master is there to grant another."""
    await_idle(cluster.leader, cluster.key_file)
    source, out = Channel(), Channel()
    flow = cluster.flow()
    flow.channel(source, shards=2).map(abs).sort().add_output(out)
    faults = [cluster.hold_executor(2, step="Map1", task=task) for task in range(2)]
    killed = cluster.kill_executor(5, step="Map1", task=1)
    again = cluster.hold_executor(7, step="Map1", task=1)
    handle = flow.start()
    for row in range(40):
        source.send(row, BOUND_S)
    first, second = (fault.wait() for fault in faults)
    assert first != second
    cluster.kill_master()
    release(faults)
    # the executor still has its own group, because the channel is open
    assert again.wait() == first
    assert killed.has_happened
    again.release()
    source.close()
    assert list(out) == list(range(40))
    handle.wait()


def test_the_master_comes_after_the_driver(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.kill_master()
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "1")  # for the driver, which waits for a new process
    with Notes() as notes:
        run = started(steps_of(cluster.flow()).collect)
        notes.wait_for(r"waiting for the master at \S+\n")
    cluster.restart_master()
    assert sorted(run.result(BOUND_S)) == EXPECTED
