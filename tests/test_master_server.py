"""glowpy.master.server over real sockets: greetings, grants, eviction, messages of others."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from glowpy.errors import ConfigError
from glowpy.master.server import serve_master
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.address import Address, parse_address
from glowpy.wire.messages import (
    PROTOCOL_VERSION,
    AskAgain,
    AskExecutors,
    Grants,
    Heartbeat,
    Hello,
    LeaseInUse,
    ReturnLeases,
    Welcome,
)
from glowpy.wire.run_messages import Beat
from glowpy.wire.security import Policy
from glowpy.wire.transport import Link, Poller, Transport
from tests.keys import policy_as

PATIENCE_S = 20.0
# Nothing runs out during a test, unless the test says so.
LONG = Timing().scaled(10)._replace(linger_s=0.2)
LOOPBACK = Address("127.0.0.1", 0)

BEAT = Heartbeat(
    agent="a",
    address="127.0.0.1:8931",
    data_center="dc",
    rack="r",
    cpu_level=1,
    executor_limit=2,
    memory_mb=1024,
    leases=(),
)
ASK = AskExecutors(
    driver="d", executor_count=4, held=0, memory_mb=64, data_center="", rack="", bid=100.0
)


@contextmanager
def running_master(timing: Timing = LONG, policy: Policy | None = None) -> Iterator[Address]:
    policy = policy or Policy(insecure=True)
    announced: queue.Queue[str] = queue.Queue()
    stop_read, stop_write = os.pipe()
    thread = threading.Thread(
        target=serve_master, args=(LOOPBACK, policy, timing, announced.put, stop_read)
    )
    thread.start()
    try:
        yield parse_address(announced.get(timeout=PATIENCE_S))
    finally:
        os.close(stop_write)
        thread.join(PATIENCE_S)
        os.close(stop_read)
        assert not thread.is_alive()


class Client:
    """A driver's or an agent's end of a connection to the master."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._poller = Poller()
        self._poller.register(link, link)

    def send(self, message: object) -> None:
        self._link.send(message)

    def answer(self) -> object:
        deadline = time.monotonic() + PATIENCE_S
        while (received := self._link.receive()) is None:
            left_s = deadline - time.monotonic()
            assert left_s > 0, "the master does not answer"
            self._poller.poll(left_s)
            self._link.events()
        return received[0]

    def ask(self, ask: AskExecutors = ASK) -> Grants:
        self.send(ask)
        while (grants := self.answer()) == AskAgain():
            pass
        assert isinstance(grants, Grants)
        return grants

    def greet(self, hello: Hello) -> Welcome:
        self.send(hello)
        welcome = self.answer()
        assert isinstance(welcome, Welcome)
        return welcome


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(Policy(insecure=True), LONG) as transport:
        yield transport


@pytest.fixture
def client(transport: Transport) -> Iterator[Client]:
    with running_master() as address:
        yield Client(transport.connect(address))


def test_heartbeats_make_grants_possible(client):
    assert client.ask() == Grants((), 0, 0, 0, 0)
    client.send(BEAT)
    grants = client.ask()
    assert [(x.agent, x.address, x.memory_mb) for x in grants.leases] == [
        ("a", "127.0.0.1:8931", 64)
    ] * 2
    assert len({lease.lease for lease in grants.leases}) == 2
    assert (grants.agents_known, grants.executors_known, grants.largest_memory_mb) == (1, 2, 1024)
    assert client.ask().leases == ()


def test_leases_given_back_are_granted_again(client):
    client.send(BEAT)
    first = client.ask().leases
    client.send(ReturnLeases(tuple(lease.lease for lease in first)))
    again = client.ask().leases
    assert len(again) == 2
    assert not set(first) & set(again)


def test_a_waiting_driver_is_called_when_an_executor_is_free(transport):
    """The master calls the driver once, without another request."""
    with running_master() as address:
        agent, one, other = (Client(transport.connect(address)) for _ in range(3))
        agent.send(BEAT._replace(executor_limit=1))
        agent.greet(Hello(PROTOCOL_VERSION, __version__, "", "agent", "a"))
        (lease,) = one.ask(ASK._replace(driver="one", executor_count=1)).leases
        assert other.ask(ASK._replace(driver="other")).leases == ()
        one.send(ReturnLeases((lease.lease,)))
        assert other.answer() == AskAgain()
        assert len(other.ask(ASK._replace(driver="other")).leases) == 1


def test_drivers_and_agents_have_their_own_connections(transport):
    with running_master() as address:
        agent, one, other = (Client(transport.connect(address)) for _ in range(3))
        agent.send(BEAT)
        # the heartbeat has arrived
        agent.greet(Hello(PROTOCOL_VERSION, __version__, "", "agent", "a"))
        assert len(one.ask(ASK._replace(driver="one", executor_count=1)).leases) == 1
        assert len(other.ask(ASK._replace(driver="other", executor_count=2)).leases) == 1


def test_an_agent_restarted_on_its_address_takes_the_old_ones_place(client):
    client.send(BEAT._replace(leases=(LeaseInUse("old", "before", 64),)))
    client.send(BEAT._replace(agent="b"))
    grants = client.ask()
    assert grants.agents_known == 1
    assert [lease.agent for lease in grants.leases] == ["b", "b"]


@pytest.mark.slow
def test_a_silent_agent_is_evicted(transport):
    timing = LONG._replace(agent_eviction_s=0.3, tick_s=0.1)
    with running_master(timing) as address:
        client = Client(transport.connect(address))
        deadline = time.monotonic() + PATIENCE_S
        while client.ask().agents_known != 1:
            client.send(BEAT)  # again, in case the agent was forgotten before the request
            assert time.monotonic() < deadline
        while client.ask().agents_known:
            assert time.monotonic() < deadline


@pytest.mark.slow
def test_an_unused_lease_expires(transport):
    with running_master(LONG._replace(lease_s=0.3, tick_s=0.1)) as address:
        client = Client(transport.connect(address))
        client.send(BEAT)
        assert len(client.ask().leases) == 2
        deadline = time.monotonic() + PATIENCE_S
        while not client.ask().leases:
            assert time.monotonic() < deadline


def hello_of(client: Client, **changes: Any) -> str:
    own = client.greet(Hello(0, "", "", "driver", "probe"))  # the refusal has the expected values
    hello = Hello(own.protocol, own.glowpy, own.python, "driver", "probe")
    return client.greet(hello._replace(**changes)).refusal


def test_the_same_release_is_welcome(client):
    assert hello_of(client) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": 999}, "protocol 999"),
        ({"python": "2.7"}, "Python 2.7"),
        ({"glowpy": "9.9.9"}, "glowpy 9.9.9"),
    ],
)
def test_the_refusal_of_another_release_names_both_releases(client, change, words):
    refusal = hello_of(client, **change)
    assert words in refusal
    assert "driver probe" in refusal


def test_foreign_messages_to_a_master_are_dropped(client, caplog):
    client.send(Beat("run"))
    client.send(BEAT)
    assert client.ask().agents_known == 1
    assert "Beat" in caplog.text


@pytest.mark.parametrize(
    "change",
    [{"address": address} for address in ("", "r1", "../x", ":8931", "host:0", "a\nb:1", "h:99999")]
    + [{"agent": "a\nb"}, {"rack": "r" * 500}, {"data_center": "\x1b[2J"}],
    ids=str,
)
def test_an_unusable_agent_is_refused(client, caplog, change):
    client.send(BEAT._replace(**change))
    assert client.ask().agents_known == 0
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("dropped a ") and line.isprintable() and len(line) < 300


def test_a_key_keeps_strangers_out(transport):
    policy = policy_as()
    with running_master(policy=policy) as address, Transport(policy, LONG) as ours:
        stranger = transport.connect(address)
        stranger.send(BEAT)
        member = Client(ours.connect(address))
        assert member.ask().agents_known == 0
        stranger.close()


def test_all_interfaces_without_a_key_are_refused():
    with pytest.raises(ConfigError, match="without a key"):
        serve_master(Address("", 0), Policy(), LONG, print, 0)


def test_a_port_in_use_is_named(client, transport):
    with running_master() as address, pytest.raises(ConfigError, match=str(address.port)):
        serve_master(address, Policy(insecure=True), LONG, print, 0)
