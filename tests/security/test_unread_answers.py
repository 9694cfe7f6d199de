"""A peer that does not read: the server buffers a bounded number of bytes, then drops answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zmq

from glowpy.agent.printed import PrintedOutput
from glowpy.driver.fleets.shipping import ProgramServer
from glowpy.secret import Secret
from glowpy.wire.coding import Coder
from glowpy.wire.messages import MESSAGES
from glowpy.wire.run_messages import OutputStream, Printed
from glowpy.wire.security import Policy
from glowpy.wire.transfers import FetchFile
from glowpy.wire.transport import Poller, Server, Transport
from glowpy.wire.transport.outgoing import Outgoing
from tests.echoing import BOUND_S, HELLO, LOOPBACK, TIMING, text_message

MIB = 1 << 20
MOST_UNREAD_BYTES = 64 * MIB
SYSTEM_BYTES = 16 * MIB  # capacity of two system sockets and of the peer's queue


@contextmanager
def deaf_peer(*, keeps_unread: bool) -> Iterator[tuple[Server, Poller, bytes, zmq.Socket[bytes]]]:
    """A server, and a peer that has greeted and never reads."""
    with Transport(Policy(insecure=True), TIMING, keeps_unread=keeps_unread) as transport:
        server = transport.serve(LOOPBACK)
        poller = Poller()
        poller.register(server, server)
        with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
            peer.setsockopt(zmq.LINGER, 0)
            peer.setsockopt(zmq.RCVHWM, 1)
            peer.connect(f"tcp://{server.address}")
            peer.send(Coder(MESSAGES).encode(HELLO))
            assert poller.poll(BOUND_S)
            received = server.receive()
            assert received is not None
            yield server, poller, received[0], peer


def await_frame(peer: zmq.Socket[bytes], poller: Poller) -> None:
    """Wait until the peer can read; meanwhile the server sends waiting messages."""
    deadline = time.monotonic() + BOUND_S
    while not peer.poll(0):
        assert time.monotonic() < deadline
        poller.poll(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("size", [3000, 60_000, 4 * MIB])
@pytest.mark.parametrize("keeps_unread", [True, False], ids=["agent", "master"])
def test_unread_answers_take_64_mib_at_most(size: int, keeps_unread: bool) -> None:
    with deaf_peer(keeps_unread=keeps_unread) as (server, _poller, peer, _socket):
        sent = 0
        while sent < 1000 * MIB and server.send(peer, HELLO, bytes(size)):
            sent += size
        assert size < sent < MOST_UNREAD_BYTES + SYSTEM_BYTES


def test_a_peer_that_reads_again_gets_its_answers_in_order() -> None:
    with deaf_peer(keeps_unread=True) as (server, poller, peer, socket):
        count = 0
        while not server.is_behind(peer):
            assert server.send(peer, text_message(str(count)), bytes(60_000))
            count += 1
        assert server.send(peer, text_message("after"))
        for number in range(count):
            await_frame(socket, poller)
            assert Coder(MESSAGES).decode(socket.recv_multipart()[0]) == text_message(str(number))
        await_frame(socket, poller)
        assert Coder(MESSAGES).decode(socket.recv()) == text_message("after")
        poller.poll(0.0)
        assert not server.is_behind(peer)


def test_a_peer_that_reads_nothing_for_long_is_forgotten() -> None:
    with deaf_peer(keeps_unread=True) as (server, _poller, peer, _socket):
        (socket,) = server.sockets()
        outgoing = Outgoing(socket, peer, small_bytes=4096, keeps_s=60.0, now=0.0)
        while not outgoing.is_waiting:
            assert outgoing.send([bytes(60_000)], now=0.0)
        outgoing.flush(59.0)
        assert not outgoing.is_gone and outgoing.is_waiting
        outgoing.flush(61.0)
        assert outgoing.is_gone and not outgoing.is_waiting
        assert not outgoing.send([b"x"], now=62.0)


def test_a_peer_that_leaves_while_messages_wait_is_forgotten() -> None:
    with deaf_peer(keeps_unread=True) as (server, poller, peer, socket):
        while not server.is_behind(peer):
            assert server.send(peer, HELLO, bytes(4 * MIB))
        socket.close()
        deadline = time.monotonic() + BOUND_S
        while server._outgoing:
            assert time.monotonic() < deadline
            poller.poll(0.01)
        assert not server.send(peer, HELLO)


def test_a_payload_is_made_when_the_peer_takes_it() -> None:
    with deaf_peer(keeps_unread=True) as (server, poller, peer, socket):
        made = 0

        def make() -> tuple[object, bytes]:
            nonlocal made
            made += 1
            return HELLO, bytes(4 * MIB)

        count = 200
        for _ in range(count):
            assert server.send_made(peer, make)
        assert made * 4 * MIB < MOST_UNREAD_BYTES + SYSTEM_BYTES
        for _ in range(count):
            await_frame(socket, poller)
            assert len(socket.recv_multipart()[1]) == 4 * MIB
        assert made == count


@pytest.mark.slow
def test_a_slow_agent_gets_all_parts_of_a_program() -> None:
    """An agent asks for eight parts of 4 MiB at a time."""
    count, secret = 16, Secret.make()
    with deaf_peer(keeps_unread=True) as (server, poller, peer, socket):
        programs = ProgramServer({"a": bytes(count * 4 * MIB)}, server, secret)
        for number in range(count):
            programs.receive(peer, FetchFile("r", "a", number * 4 * MIB, secret))
        for number in range(count):
            await_frame(socket, poller)
            data, part = socket.recv_multipart()
            assert Coder(MESSAGES).decode(data).offset_bytes == number * 4 * MIB
            assert len(part) == 4 * MIB


class SlowDriver:
    """Stands in for a server with one driver."""

    def __init__(self) -> None:
        self.is_slow = False
        self.is_gone = False
        self.sent: list[str] = []

    def is_behind(self, _peer: bytes) -> bool:
        return self.is_slow

    def send(self, _peer: bytes, printed: Printed) -> bool:
        self.sent.append(printed.text)
        return not self.is_gone


def test_output_that_a_driver_does_not_take_is_lost_and_counted() -> None:
    driver = SlowDriver()
    printed = PrintedOutput(driver)  # type: ignore[arg-type]

    def say(text: str) -> None:
        assert printed.send(
            b"d", Printed(run="r", executor="e", stream=OutputStream.STDOUT, text=text)
        )

    say("first\n")
    driver.is_slow = True
    for number in range(1000):
        say(f"{number}\nand more\n")
    printed.tick()
    assert driver.sent == ["first\n"]
    driver.is_slow = False
    say("last\n")
    assert driver.sent[1] == (
        "glowpy: 2000 lines that were printed here before are lost: the driver has not taken them "
        "in time\n"
    )
    assert driver.sent[2:] == ["last\n"]


def test_a_driver_that_is_gone_before_the_report_of_lost_lines_is_returned() -> None:
    driver = SlowDriver()
    printed = PrintedOutput(driver)  # type: ignore[arg-type]
    lines = Printed(run="r", executor="e", stream=OutputStream.STDOUT, text="lost\n")
    driver.is_slow = True
    assert printed.send(b"d", lines)
    assert printed.tick() == [], "the driver is behind"
    driver.is_slow, driver.is_gone = False, True
    assert printed.tick() == [b"d"]
    assert printed.tick() == [], "returned once"
