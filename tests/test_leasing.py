"""A driver that asks a master which is slow, or silent: what has been answered, and what not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glowpy.driver.fleets.leasing import Leasing
from glowpy.errors import ClusterError
from glowpy.flags import Options
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.messages import AskAgain, AskExecutors, Grants, Lease
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Transport

BOUND_S = 60.0
TIMING = Timing()
LEASE = Lease("lease", "a", "127.0.0.1:1", "dc", "r", 1, 64)


class Slow:
    """A master that answers when it is told to, and the leasing that asks it."""

    def __init__(self, transport: Transport) -> None:
        self._server = transport.serve(Address("127.0.0.1", 0))
        self._at_master, self._at_driver = Poller(), Poller()
        self._at_master.register(self._server, self._server)
        address = self._server.address
        assert isinstance(address, Address)
        self.leasing = Leasing(transport, self._at_driver, address, "run", Options(), TIMING)

    def asked(self) -> tuple[bytes, AskExecutors]:
        """The next ask, and who it is from."""
        while True:
            received = self._server.receive()
            if received is None:
                assert self._at_master.poll(BOUND_S), "nothing is asked"
            elif isinstance(received[1], AskExecutors):
                return received[0], received[1]

    def answer(self, peer: bytes, ask: AskExecutors, *leases: Lease, agents: int = 1) -> None:
        """The driver has taken the answer when this returns."""
        before = self.leasing._last
        self._server.send(peer, Grants(leases, None, agents, 2, 1024, ask.number))
        while self.leasing._last is before:
            self._hear()

    def call(self, peer: bytes) -> None:
        """The driver is told to ask again, and has heard it when this returns."""
        self._server.send(peer, AskAgain())
        self._hear()

    def _hear(self) -> None:
        ready = self._at_driver.poll(BOUND_S)
        assert ready, "no answer comes"
        for handle in ready:
            handle()


@pytest.fixture
def master() -> Iterator[Slow]:
    with Transport(Policy(insecure=True), TIMING.without_linger()) as transport:
        yield Slow(transport)


def test_an_answer_to_an_earlier_ask_settles_nothing(master: Slow) -> None:
    """Live groups would share an executor while others are free."""
    leasing = master.leasing
    leasing.advance(0.0, launching=0, held=0)
    first = master.asked()
    leasing.demand = 2
    leasing.advance(1.0, launching=0, held=0)
    second = master.asked()
    assert (first[1].executor_count, second[1].executor_count) == (0, 2)
    master.answer(*first)
    assert not leasing.is_answered
    master.answer(*second)
    assert leasing.is_answered


def test_a_call_of_the_master_brings_the_next_ask_forward(master: Slow) -> None:
    """But not at once after the last ask, and not while the agents are of no use."""
    leasing = master.leasing
    leasing.demand = 1
    leasing.advance(100.0, launching=0, held=0)
    peer, ask = master.asked()
    master.answer(peer, ask)
    leasing.advance(200.0, launching=0, held=0)
    assert leasing.next_ask > 200.0 + TIMING.ask_s / 32
    master.answer(*master.asked())
    master.call(peer)
    assert 200.0 < leasing.next_ask <= 200.0 + TIMING.ask_s / 32
    leasing.advance(201.0, launching=0, held=0)
    master.answer(*master.asked(), LEASE)
    leasing.cannot_use(leasing.granted()[0], "cannot start a process", 201.0)
    master.call(peer)
    assert leasing.next_ask == 201.0 + TIMING.ask_s


def test_granted_leases_are_used_first(master: Slow) -> None:
    leasing = master.leasing
    leasing.demand = 2
    leasing.advance(0.0, launching=0, held=0)
    master.answer(*master.asked(), LEASE)
    assert not leasing.is_answered
    assert leasing.granted() == [LEASE]
    assert leasing.is_answered
    leasing.ask_anew()  # the agent has refused it
    assert not leasing.is_answered
    leasing.advance(1.0, launching=0, held=0)
    master.answer(*master.asked())
    assert leasing.is_answered


def test_a_lost_answer_is_made_up_for_by_the_next(master: Slow) -> None:
    leasing = master.leasing
    leasing.demand = 2
    leasing.advance(0.0, launching=0, held=0)
    master.asked()
    leasing.advance(1.0, launching=0, held=0)
    master.answer(*master.asked())
    assert leasing.is_answered


def test_a_master_that_is_gone_is_not_waited_for(master: Slow) -> None:
    """Whoever has an executor goes on with it."""
    leasing = master.leasing
    leasing.advance(0.0, launching=0, held=1)
    master.answer(*master.asked())
    leasing.demand = 1
    leasing.advance(1.0, launching=0, held=1)
    leasing.advance(1.0 + TIMING.first_contact_s - 0.1, launching=0, held=1)
    assert not leasing.is_answered
    leasing.advance(1.0 + TIMING.first_contact_s, launching=0, held=1)
    assert leasing.is_answered


@pytest.mark.parametrize("agents", [1, 2])
def test_an_agent_of_no_use_ends_a_run_that_has_no_other(master: Slow, agents: int) -> None:
    """Of two, the other is full, and will have room."""
    leasing = master.leasing
    leasing.demand = 1
    now, end = 0.0, TIMING.patience_s + 3 * TIMING.ask_s
    errors: list[ClusterError] = []
    while now < end and not errors:
        leasing.advance(now, launching=0, held=0)
        master.answer(*master.asked(), LEASE, agents=agents)
        for lease in leasing.granted():
            leasing.cannot_use(lease, "cannot start a process", now)
        errors += leasing.errors()
        now += TIMING.ask_s
    assert ["cannot start a process" in str(each) for each in errors] == [True] * (2 - agents)


def test_an_agent_that_refused_and_is_gone_is_not_taken_for_the_one_there_is(master: Slow) -> None:
    """The other is full, and will have room."""
    leasing = master.leasing
    leasing.demand = 1
    leasing.advance(0.0, launching=0, held=0)
    master.answer(*master.asked(), LEASE, agents=2)
    leasing.agent_refused(LEASE.address, "the connection was closed")
    for now, agents in ((1.0, 2), (2.0, 1), (3.0, 1)):
        leasing.advance(now, launching=0, held=0)
        master.answer(*master.asked(), agents=agents)
    assert leasing.errors() == []


def test_an_agent_that_is_gone_is_not_taken_for_the_one_there_is(master: Slow) -> None:
    """What the master offered once, and not again, is no agent of its any more."""
    leasing = master.leasing
    leasing.demand = 1
    leasing.advance(0.0, launching=0, held=0)
    master.answer(*master.asked(), LEASE)
    leasing.cannot_use(leasing.granted()[0], "it is lost", 0.0)
    now = 0.0
    while now < 2 * TIMING.patience_s:
        now += TIMING.ask_s
        leasing.advance(now, launching=0, held=0)
        master.answer(*master.asked())
    assert leasing.errors() == []
