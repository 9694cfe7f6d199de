"""Connections of strangers: their log lines, and descriptors that stay reserved for members."""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from glowpy.wire.address import Address
from glowpy.wire.greeting import hello_of
from glowpy.wire.roles import Role
from glowpy.wire.security import KeyPair
from glowpy.wire.transport import Poller, Server, Transport
from glowpy.wire.transport.curve import make_keys, make_pair
from glowpy.wire.user_key import user_keys
from tests.echoing import BOUND_S, HELLO, LOOPBACK, TIMING, Client, text_message
from tests.keys import own_policy, policy_as
from tests.processes import started

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
KEYS = make_keys()
POLICY = policy_as(keys=KEYS)


def connected(address: Address, key: KeyPair, server_key: bytes) -> zmq.Socket[bytes]:
    found: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    found.setsockopt(zmq.LINGER, 0)
    found.curve_publickey, found.curve_secretkey = key.public, key.secret
    found.curve_serverkey = server_key
    found.connect(f"tcp://{address}")
    return found


def await_log(poller: Poller, caplog: pytest.LogCaptureFixture, pattern: str) -> str:
    """Wait for the first log line that matches."""
    for _ in range(round(BOUND_S / 0.05)):
        poller.poll(0.05)
        for record in caplog.records:
            if re.fullmatch(pattern, record.getMessage()):
                return record.getMessage()
    raise AssertionError(f"not logged: {pattern}\n{caplog.text}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GREETING, "it uses no key"),
        (b"", "it was not complete within 0.3 s"),
        (GREETING[:11], "it was not complete within 0.3 s"),
    ],
    ids=["no key", "idle", "slow"],
)
def test_a_refused_handshake_is_logged_with_its_address(data: bytes, reason: str, caplog) -> None:
    with Transport(POLICY, TIMING._replace(handshake_s=0.3)) as transport:
        server = transport.serve(LOOPBACK)
        assert isinstance(server.address, Address)
        poller = Poller()
        poller.register(server, server)
        with socket.create_connection(("127.0.0.1", server.address.port)) as stranger:
            deadline = time.monotonic() + BOUND_S
            while not server._connections._pending:  # type: ignore[union-attr]
                assert time.monotonic() < deadline, "no connection was accepted"
                poller.poll(0.01)
            stranger.sendall(data)
            port = stranger.getsockname()[1]
            await_log(poller, caplog, rf"refused a handshake of 127\.0\.0\.1:{port}: {reason}")


def test_a_client_with_another_servers_key_is_logged_with_its_address(caplog) -> None:
    with Transport(POLICY, TIMING) as transport:
        server = transport.serve(LOOPBACK)
        assert isinstance(server.address, Address)
        poller = Poller()
        poller.register(server, server)
        with connected(server.address, KEYS.newest.pairs[Role.DRIVER], make_pair().public):
            await_log(
                poller,
                caplog,
                r"refused a handshake of 127\.0\.0\.1:\d+: it expects a server with another key",
            )


def test_garbage_is_logged_and_members_are_not(caplog) -> None:
    with Transport(POLICY, TIMING) as transport:
        server = transport.serve(LOOPBACK)
        assert isinstance(server.address, Address)
        poller = Poller()
        poller.register(server, server)
        links = [transport.connect(server.address) for _ in range(3)]
        for link in links:
            link.send(HELLO)
        for _ in links:
            assert receive(server, poller) == HELLO
        with socket.create_connection(("127.0.0.1", server.address.port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            # libzmq may close the connection before the server can read the address
            await_log(poller, caplog, r"refused a handshake of .*: it does not speak the protocol")
        for link in links:
            link.close()
        other = Client(transport.connect(server.address))
        other.link.send(text_message("later"))
        assert receive(server, poller) == text_message("later")
        poller.poll(0.05)
    assert len(caplog.records) == 1


def receive(server: Server, poller: Poller) -> object:
    while (received := server.receive()) is None:
        assert poller.poll(BOUND_S)
    return received[1]


@pytest.mark.slow
def test_a_server_without_descriptors_stops_listening_and_begins_again(tmp_path: Path) -> None:
    line = 'ulimit -n 256; exec "$@"'
    command = [sys.executable, "-m", "glowpy", "master", "--address", "127.0.0.1:0"]
    with (
        started(tmp_path, "-c", line, "sh", *command, program="sh") as running,
        Transport(own_policy(), TIMING) as transport,
    ):
        found = running.stdout.await_match(r"listening on 127\.0\.0\.1:(\d+)")
        address = Address("127.0.0.1", int(found[1]))
        member = Client(transport.connect(address))
        greet(member)
        with ExitStack() as strangers:
            for _ in range(20):
                for _ in range(15):
                    stranger = strangers.enter_context(socket.socket())
                    stranger.setblocking(False)
                    stranger.connect_ex(("127.0.0.1", address.port))
                greet(member)  # the server has looked at its connections before the next ones come
            running.stderr.await_match("accepts no more connections")
            held = len(os.listdir(f"/proc/{running.process.pid}/fd"))
            assert held < 256  # libzmq may use descriptors of the reserve for waiting connections
            greet(member)
        running.stderr.await_match(r"accepts connections again")
        greet(Client(transport.connect(address)))
        running.process.terminate()
        assert running.finish().status == 0


def test_a_look_without_any_free_descriptor_ends_no_server(monkeypatch) -> None:
    def listdir(_path: str) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    with Transport(POLICY, TIMING) as transport:
        server = transport.serve(LOOPBACK, has_reserve=True)
        connections = server._connections
        assert connections is not None
        connections._hold_back()
        with monkeypatch.context() as patch:
            patch.setattr(os, "listdir", listdir)
            server.tend()
        assert connections._is_held_back


def greet(client: Client) -> None:
    """Wait for an answer of the master."""
    assert client.ask(hello_of("driver", "test"))[0].role == "master"


CHOSEN = """
import ctypes, sys, zmq
from glowpy.wire.coding import Coder
from glowpy.wire.greeting import hello_of
from glowpy.wire.messages import MESSAGES
from glowpy.wire.roles import Role
from glowpy.wire.user_key import user_keys

libc = ctypes.CDLL(None)
libc.srand(1)  # as in a process that seeds nothing
first = (libc.rand() | libc.rand() << 31) & 0xFFFFFFFF
pairs = user_keys().newest.pairs
key, server = pairs[Role.DRIVER], pairs[Role.SERVER]
hello = Coder(MESSAGES).encode(hello_of("driver", "chosen"))
context, sockets = zmq.Context(), []
for number in [*range(60), None, None, None]:
    each = context.socket(zmq.DEALER)
    sockets.append(each)
    each.curve_publickey, each.curve_secretkey = key.public, key.secret
    each.curve_serverkey = server.public
    if number is not None:
        each.routing_id = b"\\0" + ((first + number) & 0xFFFFFFFF).to_bytes(4, "big")
    each.connect("tcp://" + sys.argv[1])
    each.send(hello)
answered = sum(bool(each.poll(60_000)) for each in sockets)
print(answered, "of", len(sockets))
context.destroy(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("role", ["master", "agent"])
def test_members_that_choose_the_next_routing_ids_end_no_server(role: str, tmp_path: Path) -> None:
    place = (
        ["--address", "127.0.0.1:0"]
        if role == "master"
        else [
            *("--host", "127.0.0.1", "--port", "0", "--master", "127.0.0.1:1"),
            *("--dir", str(tmp_path / "agent")),
        ]
    )
    user_keys()
    with started(tmp_path, "-m", "glowpy", role, *place) as running:
        address = running.stdout.await_match(r"listening on (\S+)")[1]
        with started(tmp_path, "-c", CHOSEN, address) as members:
            assert members.finish().stdout == "63 of 63\n"
        running.process.terminate()
        assert running.finish().status == 0
