"""An agent and a peer at the master's address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from glowpy.agent.membership import Membership
from glowpy.errors import GlowError, ProtocolError, VersionMismatch
from glowpy.wire.address import Address
from glowpy.wire.greeting import welcome
from glowpy.wire.messages import Heartbeat, Hello
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Server, Transport
from tests.echoing import BOUND_S, LOOPBACK, TIMING

HEARTBEAT = Heartbeat("a", "127.0.0.1:1", "", "", 1, 1, 1, ())


class FakeMaster:
    """A peer at the master's address, and an agent that greets."""

    def __init__(self, transport: Transport) -> None:
        self._server: Server = transport.serve(LOOPBACK)
        self._poller = Poller()
        self._poller.register(self._server, lambda: None)
        address = self._server.address
        assert isinstance(address, Address)
        timing = TIMING._replace(heartbeat_s=0.01)
        self.membership = Membership(
            transport, self._poller, address, "a", lambda: HEARTBEAT, timing
        )
        self.peer = b""

    def receive(self, kind: type) -> Any:
        """The next message of a kind from the agent; raises the error that ends the agent."""
        deadline = time.monotonic() + BOUND_S
        while time.monotonic() < deadline:
            self.membership.advance(time.monotonic())
            for handle in self._poller.poll(0.01):
                handle()
            while (received := self._server.receive()) is not None:
                self.peer, message, _payload = received
                if isinstance(message, kind):
                    return message
        raise AssertionError(f"no {kind.__name__} has come")

    def send(self, message: Any) -> None:
        assert self._server.send(self.peer, message)

    def send_garbage(self) -> None:
        self._server._socket.send_multipart([self.peer, b"\xc1"])


@pytest.fixture
def master() -> Iterator[FakeMaster]:
    with Transport(Policy(insecure=True), TIMING) as transport:
        yield FakeMaster(transport)


def refusal_of(hello: Hello) -> Any:
    return welcome(hello._replace(glowpy="0.0.0"), "master")


def test_a_master_that_never_wanted_it_ends_an_agent(master: FakeMaster) -> None:
    master.send(refusal_of(master.receive(Hello)))
    with pytest.raises(VersionMismatch):
        master.receive(Heartbeat)


def test_a_master_that_sends_garbage_is_an_error(master: FakeMaster) -> None:
    master.receive(Hello)
    master.send_garbage()
    with pytest.raises(ProtocolError):
        master.receive(Heartbeat)


def test_an_agent_that_had_a_master_goes_on_for_its_drivers(
    master: FakeMaster, caplog: pytest.LogCaptureFixture
) -> None:
    hello = master.receive(Hello)
    master.send(welcome(hello, "master"))
    master.receive(Heartbeat)
    master.send_garbage()
    master.send(refusal_of(hello))
    try:
        while len(caplog.records) < 2:
            master.receive(Heartbeat)
    except GlowError as exc:
        raise AssertionError("the agent has ended") from exc
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "a message cannot be unpacked" in caplog.text
    assert "cannot work together" in caplog.text
