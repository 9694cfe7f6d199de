"""Sockets on loopback: messages there and back, addresses, news of connections."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from glowpy.errors import ConfigError, ProtocolError
from glowpy.wire.address import Address, IpcAddress
from glowpy.wire.frame_bounds import MAX_FRAME_BYTES
from glowpy.wire.security import Policy
from glowpy.wire.transport import LinkEvent, Poller, Transport
from tests.echoing import BOUND_S, HELLO, LOOPBACK, TIMING, Client, echoing, text_message
from tests.keys import policy_as

CONNECTED, DISCONNECTED = LinkEvent.CONNECTED, LinkEvent.DISCONNECTED


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(Policy(insecure=True), TIMING) as transport:
        yield transport


@pytest.fixture(scope="module")
def echo() -> Iterator[Address]:
    with echoing() as address:
        yield address


@pytest.mark.parametrize("size", [None, 0, 1, 1000, 64 << 10, 5_000_000])
def test_messages_and_payloads_travel_both_ways(transport, echo, size):
    payload = None if size is None else os.urandom(size)
    assert Client(transport.connect(echo)).ask(HELLO, payload) == (HELLO, payload or b"")


def test_a_payload_may_be_a_part_of_something_larger(transport, echo):
    data = os.urandom(1_000_000)
    client = Client(transport.connect(echo))
    for part in (slice(3, 700_000), slice(10, 20)):
        assert client.ask(HELLO, memoryview(data)[part])[1] == data[part]


@pytest.mark.parametrize("policy", [Policy(insecure=True), policy_as()], ids=["open", "key"])
def test_many_peers_get_their_own_answers(policy):
    with echoing(policy) as address, Transport(policy, TIMING) as transport:
        clients = [Client(transport.connect(address)) for _ in range(50)]
        for turn in range(3):
            for number, client in enumerate(clients):
                client.link.send(text_message(f"{turn} {number}"))
        for turn in range(3):
            for number, client in enumerate(clients):
                assert client.answer()[0] == text_message(f"{turn} {number}")
        assert [client.events for client in clients] == [[CONNECTED]] * 50


@pytest.mark.slow
def test_ten_thousand_messages_keep_their_order(transport, echo):
    client = Client(transport.connect(echo))
    for number in range(10_000):
        client.link.send(text_message(str(number)), b"x" * (number % 3))
    for number in range(10_000):
        message, payload = client.answer()
        assert (message.run, len(payload)) == (str(number), number % 3)
    assert client.messages == []


@pytest.mark.slow
def test_the_largest_payload_arrives_also_encrypted_and_a_larger_one_is_not_sent():
    policy = policy_as()
    with echoing(policy) as address, Transport(policy, TIMING) as transport:
        client = Client(transport.connect(address))
        huge = bytes(MAX_FRAME_BYTES + 1)
        with pytest.raises(
            ProtocolError, match=f"Describe has a payload of {MAX_FRAME_BYTES + 1} bytes"
        ):
            client.link.send(HELLO, huge)
        assert len(client.ask(HELLO, memoryview(huge)[1:])[1]) == MAX_FRAME_BYTES
        assert client.events == [CONNECTED]


def test_port_0_takes_a_free_one_of_the_address(transport):
    one, other = transport.serve(LOOPBACK), transport.serve(Address("127.0.0.2", 0))
    assert isinstance(one.address, Address)
    assert isinstance(other.address, Address)
    assert one.address.port > 0
    assert other.address == Address("127.0.0.2", other.address.port)
    with socket.create_connection(("127.0.0.2", other.address.port), BOUND_S):
        pass
    with socket.socket() as probe:  # the first server listens on its own address only
        assert probe.connect_ex(("127.0.0.2", one.address.port)) != 0


def local_hosts() -> list[str]:
    """By number and by name; `::1` where the machine has IPv6."""
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return ["127.0.0.3", "localhost", "::1"]
    return ["127.0.0.3", "localhost"]


@pytest.mark.parametrize("host", local_hosts())
def test_hosts_by_name_and_number(transport, host):
    with echoing(address=Address(host, 0)) as address:
        assert address.host == host
        assert Client(transport.connect(address)).ask(HELLO)[0] == HELLO


def test_unusable_listening_addresses_are_named(transport, echo):
    with pytest.raises(
        ConfigError, match=rf"cannot listen on {echo}: its port is in use by \S+ \(process \d+\)$"
    ):
        transport.serve(echo)
    elsewhere = Transport(Policy(insecure=True), TIMING)
    with elsewhere, pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        elsewhere.serve(Address("192.0.2.1", 0))  # an address for examples, nobody's own
    with Transport(Policy(), TIMING) as keyless, pytest.raises(ConfigError, match="without a key"):
        keyless.serve(Address("", 0))


def test_unreachable_addresses_are_named(transport):
    anywhere = Transport(Policy(insecure=True), TIMING)
    with anywhere, pytest.raises(ConfigError, match=r"connect to two words:1: Invalid argument$"):
        anywhere.connect(Address("two words", 1))
    for port in (0, 65536):
        with pytest.raises(ConfigError, match=rf"cannot connect to 127\.0\.0\.1:{port}: no server"):
            transport.connect(Address("127.0.0.1", port))
    with Transport(Policy(), TIMING) as keyless, pytest.raises(ConfigError, match="without a key"):
        keyless.connect(Address("192.0.2.1", 1))


def test_news_of_a_server_that_comes_goes_and_comes_again(transport):
    with echoing() as address:
        client = Client(transport.connect(address))
        assert client.event() is CONNECTED
        assert client.ask(HELLO)[0] == HELLO
    assert client.event() is DISCONNECTED
    with echoing(address=address):
        assert client.event() is CONNECTED
        assert client.ask(HELLO)[0] == HELLO
    assert client.event() is DISCONNECTED


def test_a_link_may_be_made_before_its_server(transport):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", probe.getsockname()[1])
    client = Client(transport.connect(address))
    client.link.send(HELLO)
    with echoing(address=address):
        assert client.answer()[0] == HELLO


@pytest.mark.slow
def test_a_silent_peer_is_noticed_by_heartbeats():
    script = (
        "from tests.echoing import *\nimport sys\n"
        "with echoing() as address: print(address.port, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    timing = TIMING._replace(beat_s=0.2, peer_lost_s=3.0)
    with process, Transport(Policy(insecure=True), timing) as transport:
        assert process.stdout is not None
        client = Client(transport.connect(Address("127.0.0.1", int(process.stdout.readline()))))
        assert client.ask(HELLO)[0] == HELLO
        assert client.events.pop() is CONNECTED
        process.send_signal(signal.SIGSTOP)
        try:
            assert client.event() is DISCONNECTED
        finally:
            process.kill()


def test_a_message_to_a_peer_that_has_gone_is_not_sent(transport):
    server = transport.serve(LOOPBACK)
    poller = Poller()
    poller.register(server, server)
    assert server.send(b"nobody", HELLO) is False
    with Transport(Policy(insecure=True), TIMING) as other:
        client = Client(other.connect(server.address))
        client.link.send(HELLO)
        assert poller.poll(BOUND_S) == [server]
        received = server.receive()
        assert received is not None
        peer, message, payload = received
        assert (message, payload) == (HELLO, b"")
        assert server.send(peer, text_message("r"), b"now") is True
        assert client.answer() == (text_message("r"), b"now")
    deadline = time.monotonic() + BOUND_S
    while server.send(peer, HELLO):
        assert time.monotonic() < deadline
        poller.poll(0.01)
    assert server.receive() is None


def test_socket_files(transport, tmp_path: Path):
    address = IpcAddress(str(tmp_path / "socket"))
    for policy in (
        Policy(insecure=True),
        policy_as(),
    ):  # the directory protects the socket, with or without a key
        # the second server replaces a socket file that was left
        with echoing(policy, address=address) as found:
            assert found == address
            assert Client(transport.connect(found)).ask(HELLO, b"x" * 100_000)[0] == HELLO


def test_a_socket_file_with_too_long_a_name(transport, tmp_path: Path):
    for path in (tmp_path / ("x" * 120), tmp_path / "none" / "socket"):
        with pytest.raises(ConfigError, match="cannot listen on ipc:///"):
            transport.serve(IpcAddress(str(path)))
