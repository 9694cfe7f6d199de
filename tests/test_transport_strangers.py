"""Input from strangers: a server sends no answer and continues to serve others."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import zmq

from glowpy.errors import ConfigError
from glowpy.wire.address import Address
from glowpy.wire.coding import Coder
from glowpy.wire.frame_bounds import MAX_FRAME_BYTES
from glowpy.wire.messages import MESSAGES
from glowpy.wire.roles import Role
from glowpy.wire.run_messages import Beat
from glowpy.wire.security import KeyPair, Policy
from glowpy.wire.transport import LinkEvent, Poller, Transport
from glowpy.wire.transport.curve import make_keys
from tests.echoing import BOUND_S, HELLO, LOOPBACK, TIMING, Client, echoing, text_message
from tests.keys import policy_as

BEAT = b"\x92\xa4Beat\xa5hello"
# The greeting of ZMTP 3.0 without security, and READY, as sent by any ZeroMQ client
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06DEALER"


def is_serving(address: Address, policy: Policy | None = None) -> bool:
    with Transport(policy or Policy(insecure=True), TIMING) as transport:
        return Client(transport.connect(address)).ask(HELLO, b"x") == (HELLO, b"x")


@contextmanager
def raw_socket(address: Address) -> Iterator[zmq.Socket[bytes]]:
    """A ZeroMQ client without glowpy's security."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as raw:
        raw.setsockopt(zmq.LINGER, 0)
        raw.setsockopt(zmq.RCVTIMEO, round(BOUND_S * 1000))
        raw.connect(f"tcp://{address}")
        yield raw


KEYS, OTHER_KEYS = make_keys(), make_keys()
PAIR, OTHER_PAIR = KEYS.newest.pairs[Role.SERVER], OTHER_KEYS.newest.pairs[Role.SERVER]
KEY, OTHER_KEY = policy_as(keys=KEYS), policy_as(keys=OTHER_KEYS)


@pytest.mark.parametrize(
    ("server", "client"),
    [(KEY, OTHER_KEY), (KEY, Policy(insecure=True)), (Policy(insecure=True), KEY)],
    ids=["another key", "no key", "a key, but not the server"],
)
def test_a_peer_without_the_servers_key_is_refused(server, client):
    with echoing(server) as address, Transport(client, TIMING) as transport:
        stranger = Client(transport.connect(address))
        stranger.link.send(HELLO)
        assert stranger.event() is LinkEvent.REFUSED
        assert is_serving(address, server)
        stranger.receive_all()
        assert stranger.messages == []
        assert set(stranger.events) <= {LinkEvent.REFUSED}  # the client was never connected


def test_a_peer_with_only_the_public_key_is_refused_and_logged(caplog):
    with echoing(KEY) as address, zmq.Context() as context, context.socket(zmq.DEALER) as raw:
        raw.setsockopt(zmq.LINGER, 0)
        raw.curve_publickey, raw.curve_secretkey = OTHER_PAIR.public, OTHER_PAIR.secret
        raw.curve_serverkey = PAIR.public
        monitor = raw.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        raw.connect(f"tcp://{address}")
        raw.send(BEAT)
        assert monitor.poll(round(BOUND_S * 1000))
        raw.disable_monitor()
        monitor.close(0)
        assert is_serving(address, KEY)
        assert raw.poll(0) == 0
    assert (
        "refused a peer (no. 1) at 127.0.0.1: it holds no key that is admitted here" in caplog.text
    )
    assert {each.levelno for each in caplog.records} == {logging.WARNING}


def test_servers_of_one_transport_share_a_gate():
    with Transport(KEY, TIMING) as transport:
        servers = [transport.serve(LOOPBACK), transport.serve(LOOPBACK)]
        poller = Poller()
        for server in servers:
            poller.register(server, server)
        clients = [Client(transport.connect(server.address)) for server in servers]
        for number, client in enumerate(clients):
            client.link.send(text_message(str(number)))
        got: list[tuple[object, str]] = []
        while len(got) < 2:
            ready = poller.poll(BOUND_S)
            got += [(each, received[1].run) for each in ready if (received := each.receive())]
        assert sorted(got, key=lambda each: each[1]) == [(servers[0], "0"), (servers[1], "1")]


@pytest.mark.parametrize(
    "key",
    [
        KeyPair(b"p" * 40, b"s" * 40),
        KeyPair(PAIR.secret, PAIR.public),
        KeyPair(OTHER_PAIR.public, PAIR.secret),
        KeyPair(b"\xff" * 40, b"\xff" * 40),
        KeyPair(b"", b""),
    ],
)
def test_a_key_whose_halves_do_not_fit_is_refused(key):
    with pytest.raises(ConfigError, match="key is damaged"):
        Transport(KEY._replace(server=key), TIMING)


@pytest.mark.parametrize("policy", [Policy(insecure=True), KEY], ids=["open", "key"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        bytes(100_000),
        bytes(range(256)) * 1000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # a TLS hello
        GREETING[:20],
        GREETING,
        GREETING.replace(b"NULL", b"CURV"),
        GREETING + b"\x04\xff" + bytes(255),
        GREETING + READY + b"\x02" + (1 << 62).to_bytes(8, "big") + bytes(1000),
        GREETING + READY + b"\x00\x07" + BEAT[:5],
        GREETING + READY + b"\x01\x00" * 1000,
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_bytes_that_are_not_zeromq_do_no_harm(policy, data):
    with echoing(policy) as address:
        with socket.create_connection((address.host, address.port), BOUND_S) as stranger:
            with suppress(OSError):  # the server may close the connection before the last byte
                stranger.sendall(data)
            assert is_serving(address, policy)
        assert is_serving(address, policy)


@pytest.mark.parametrize("data", [b"", GREETING[:20], GREETING], ids=["none", "some", "greeting"])
def test_a_handshake_that_is_not_finished_in_time_is_cut_off(data):
    with (
        echoing(timing=TIMING._replace(handshake_s=0.1)) as address,
        socket.create_connection((address.host, address.port), BOUND_S) as stranger,
    ):
        stranger.sendall(data)
        while stranger.recv(4096):  # until the server has closed the connection
            continue


GARBAGE: list[list[bytes]] = [
    [b""],
    [b"\xc1"],
    [b"Hello"],
    [bytes(1000)],
    [b"\x91\xa5Hello"],
    [b"\x92\xa4Beat\xff"],
    [b"\x92\xa4Beat\x01"],
    [b"\x92\xa4Nope\xa5hello"],
    [BEAT + b"\0"],
    [BEAT, b"", b""],
    [b"", BEAT, b""],
    [BEAT, b"no payload"],
    [BEAT] * 1000,
]


def test_unknown_messages_are_dropped_and_logged(caplog):
    with echoing() as address, raw_socket(address) as raw:
        for frames in GARBAGE:
            raw.send_multipart(frames)
        described = [Coder(MESSAGES).encode(HELLO), b"payload"]
        raw.send_multipart(described)
        assert raw.recv_multipart() == described
        assert is_serving(address)
    dropped = [each.getMessage() for each in caplog.records]
    assert len(dropped) == len(GARBAGE)
    pattern = r"dropped a message \(no\. (\d+)\) of peer (\w+): "
    told = [re.match(pattern, line) for line in dropped]
    assert [int(each[1]) for each in told if each] == list(range(1, len(GARBAGE) + 1))
    assert len({each[2] for each in told if each}) == 1
    assert dropped[-1].endswith("a message has more than 8 frames")
    assert max(map(len, dropped)) < 200


def test_a_flood_of_garbage_does_not_keep_a_server_from_its_other_work(caplog):
    with Transport(Policy(insecure=True), TIMING) as transport:
        server = transport.serve(LOOPBACK)
        assert isinstance(server.address, Address)
        poller = Poller()
        poller.register(server, server)
        with raw_socket(server.address) as raw:
            for _ in range(1000):
                raw.send(b"garbage")
            raw.send(BEAT)
            received, turns = None, 0
            while received is None:
                assert poller.poll(BOUND_S), "a message is lost"
                received = server.receive()
                turns += 1
        assert received[1] == Beat("hello") and turns > 1000 / 100
    assert len(caplog.records) == 100  # the rest does not fill the log


def test_a_frame_that_is_too_large_ends_the_connection_it_came_by(caplog):
    with echoing() as address, raw_socket(address) as raw:
        monitor = raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        raw.send(bytes(MAX_FRAME_BYTES + 2048))
        assert monitor.poll(round(BOUND_S * 1000))
        raw.disable_monitor()
        monitor.close(0)
        assert is_serving(address)
    assert caplog.records == []


def test_a_peer_with_a_stolen_name_gets_no_messages():
    """The server identifies peers by connection; a ZeroMQ client may choose its routing id."""
    with Transport(Policy(insecure=True), TIMING) as transport:
        server = transport.serve(LOOPBACK)
        assert isinstance(server.address, Address)
        poller = Poller()
        poller.register(server, server)
        client = Client(transport.connect(server.address))
        client.link.send(HELLO)
        assert poller.poll(BOUND_S)
        received = server.receive()
        assert received is not None
        with zmq.Context() as context, context.socket(zmq.DEALER) as thief:
            thief.setsockopt(zmq.LINGER, 0)
            thief.setsockopt(zmq.ROUTING_ID, received[0])
            monitor = thief.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
            thief.connect(f"tcp://{server.address}")
            thief.send(BEAT)
            assert monitor.poll(round(BOUND_S * 1000))
            thief.disable_monitor()
            monitor.close(0)
            client.link.send(text_message("again"), b"x")
            while (again := server.receive()) is None:
                assert poller.poll(BOUND_S), "a message is lost"
            assert again == (received[0], text_message("again"), b"x")
            assert server.send(received[0], HELLO)
            assert client.answer()[0] == HELLO
            assert thief.poll(0) == 0
