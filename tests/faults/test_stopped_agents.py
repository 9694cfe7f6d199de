"""Agents that are suspended beyond their timeout and continue: their late reports are fenced."""

from __future__ import annotations

import threading

import pytest

from glowpy.driver.fleets.shipping import ProgramServer
from glowpy.testing import LocalCluster, started
from glowpy.wire.transfers import FetchFile
from tests.faults.checks import BOUND_S, Notes
from tests.faults.flows import EXPECTED, MAPS, again, agents_of, held, release, steps_of

pytestmark = pytest.mark.slow

TIME_SCALE = 0.2


def test_a_suspended_agent_reports_late(cluster: LocalCluster) -> None:
    """The suspended agent's executor seals a group that another agent is computing again."""
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    victim = agents_of(cluster, faults)[1]
    cluster.pause_agent(victim)
    second = cluster.hold_executor(60, step="Map1", task=1)
    faults[1].release()  # the executor continues and reports to the suspended agent
    release([faults[0], faults[2]])
    second.wait()  # the agent is lost, and the group is assigned to another agent
    assert second.pid != faults[1].pid and cluster.agent_of(second.pid) != victim
    cluster.resume_agent(victim)
    second.release()
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS)[1] == 1


def test_every_agent_is_suspended_for_a_while(cluster: LocalCluster) -> None:
    """The driver waits for agents, within its patience, and uses the agents again."""
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    agents_of(cluster, faults)
    with Notes() as notes:
        for agent in range(3):
            cluster.pause_agent(agent)
        notes.wait_for(r"agent \S+ is lost: ", 3)
    for agent in range(3):
        cluster.resume_agent(agent)
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {0: 1, 1: 1, 2: 1}


def test_a_short_stop_costs_nothing(cluster: LocalCluster) -> None:
    faults = held(cluster, "Map1", at_row=50)
    run = started(steps_of(cluster.flow()).collect)
    victim = agents_of(cluster, faults)[1]
    cluster.pause_agent(victim)
    cluster.resume_agent(victim)
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(cluster, MAPS) == {}


def test_a_program_that_takes_long_to_arrive_is_waited_for(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending lasts longer than the heartbeat timeout; both sides send heartbeats meanwhile."""
    data = bytes(range(256)) * (60 << 12)  # 60 MiB
    receive = ProgramServer.receive

    def slowly(server: ProgramServer, peer: bytes, message: FetchFile) -> None:
        threading.Event().wait(0.25)  # each of 15 frames; a silent agent is lost after 3 s
        receive(server, peer, message)

    monkeypatch.setattr(ProgramServer, "receive", slowly)
    with Notes() as notes:
        rows = cluster.flow().slice(range(3)).map(lambda row: data[row]).collect()
    assert rows == [0, 1, 2]
    assert "is lost" not in notes.getvalue(), notes.getvalue()
