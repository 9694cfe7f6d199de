"""The driver's client of a slow or silent master: valid answers, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.driver.fleets.cluster_actions import ClusterAction, Report, ToMaster
from glowpy.driver.fleets.fleet import FleetFailed
from glowpy.driver.fleets.master_client import MasterClient
from glowpy.flags import Options
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.messages import AskAgain, AskExecutors, Grants, Lease

TIMING = Timing()
LEADER = Address("127.0.0.1", 8930)
LEASE = Lease("lease", "a", "127.0.0.1:1", "dc", "r", 1, 64)


class SlowMaster:
    """A master that answers when a test says so, and its client."""

    def __init__(self) -> None:
        self._actions: list[ClusterAction] = []
        self.client = MasterClient(LEADER, "run", "script", Options(), TIMING, self._actions)

    def asked(self) -> AskExecutors:
        """The oldest request that has not been read."""
        while True:
            action: Any = self._actions.pop(0)
            if isinstance(action, ToMaster) and isinstance(action.message, AskExecutors):
                return action.message

    def answer(self, ask: AskExecutors, *leases: Lease, agents: int = 1) -> None:
        self.client.take(Grants(leases, None, agents, 2, 1024, ask.number))

    def errors(self) -> list[str]:
        """The errors that end the run."""
        events = [action.event for action in self._actions if isinstance(action, Report)]
        return [str(event.error) for event in events if isinstance(event, FleetFailed)]


@pytest.fixture
def master() -> SlowMaster:
    return SlowMaster()


def test_an_answer_to_an_earlier_ask_settles_nothing(master: SlowMaster) -> None:
    """Otherwise streaming groups would share an executor while other executors are free."""
    client = master.client
    client.advance(0.0, launching=0, held=0)
    first = master.asked()
    client.demand = 2
    client.advance(1.0, launching=0, held=0)
    second = master.asked()
    assert (first.executor_count, second.executor_count) == (0, 2)
    master.answer(first)
    assert not client.is_answered
    master.answer(second)
    assert client.is_answered


def test_a_call_of_the_master_brings_the_next_ask_forward(master: SlowMaster) -> None:
    """But not immediately after the last request, and not while all agents are unusable."""
    client = master.client
    client.demand = 1
    client.advance(100.0, launching=0, held=0)
    master.answer(master.asked())
    client.advance(200.0, launching=0, held=0)
    assert client.next_ask > 200.0 + TIMING.ask_s / 32
    master.answer(master.asked())
    client.take(AskAgain())
    assert 200.0 < client.next_ask <= 200.0 + TIMING.ask_s / 32
    client.advance(201.0, launching=0, held=0)
    master.answer(master.asked(), LEASE)
    client.cannot_use(client.granted()[0], "cannot start a process", 201.0)
    client.take(AskAgain())
    assert client.next_ask == 201.0 + TIMING.ask_s


def test_granted_leases_are_used_first(master: SlowMaster) -> None:
    client = master.client
    client.demand = 2
    client.advance(0.0, launching=0, held=0)
    master.answer(master.asked(), LEASE)
    assert not client.is_answered
    assert client.granted() == [LEASE]
    assert client.is_answered
    client.ask_again()  # the agent has refused the executor
    assert not client.is_answered
    client.advance(1.0, launching=0, held=0)
    master.answer(master.asked())
    assert client.is_answered


def test_a_lost_answer_is_made_up_for_by_the_next(master: SlowMaster) -> None:
    client = master.client
    client.demand = 2
    client.advance(0.0, launching=0, held=0)
    master.asked()
    client.advance(1.0, launching=0, held=0)
    master.answer(master.asked())
    assert client.is_answered


def test_a_master_that_is_gone_is_not_waited_for(master: SlowMaster) -> None:
    """A driver with an executor continues."""
    client = master.client
    client.advance(0.0, launching=0, held=1)
    master.answer(master.asked())
    client.demand = 1
    client.advance(1.0, launching=0, held=1)
    client.advance(1.0 + TIMING.first_contact_s - 0.1, launching=0, held=1)
    assert not client.is_answered
    client.advance(1.0 + TIMING.first_contact_s, launching=0, held=1)
    assert client.is_answered


@pytest.mark.parametrize("agents", [1, 2])
def test_an_agent_of_no_use_ends_a_run_that_has_no_other(master: SlowMaster, agents: int) -> None:
    """The other agent is full and will have room."""
    client = master.client
    client.demand = 1
    now, end = 0.0, TIMING.patience_s + 3 * TIMING.ask_s
    while now < end and not master.errors():
        client.advance(now, launching=0, held=0)
        master.answer(master.asked(), LEASE, agents=agents)
        for lease in client.granted():
            client.cannot_use(lease, "cannot start a process", now)
        now += TIMING.ask_s
    errors = master.errors()
    assert ["cannot start a process" in each for each in errors] == [True] * (2 - agents)


def test_an_agent_that_refused_and_is_gone_is_not_taken_for_the_one_there_is(
    master: SlowMaster,
) -> None:
    """The other agent is full and will have room."""
    client = master.client
    client.demand = 1
    client.advance(0.0, launching=0, held=0)
    master.answer(master.asked(), LEASE, agents=2)
    client.agent_refused(LEASE.address, "the connection was closed")
    for now, agents in ((1.0, 2), (2.0, 1), (3.0, 1)):
        client.advance(now, launching=0, held=0)
        master.answer(master.asked(), agents=agents)
    assert master.errors() == []


def test_an_agent_that_is_gone_is_not_taken_for_the_one_there_is(master: SlowMaster) -> None:
    """An agent that the master has offered once, and not again, has left the cluster."""
    client = master.client
    client.demand = 1
    client.advance(0.0, launching=0, held=0)
    master.answer(master.asked(), LEASE)
    client.cannot_use(client.granted()[0], "it is lost", 0.0)
    now = 0.0
    while now < 2 * TIMING.patience_s:
        now += TIMING.ask_s
        client.advance(now, launching=0, held=0)
        master.answer(master.asked())
    assert master.errors() == []
