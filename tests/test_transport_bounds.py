"""Limits of the transport: time to close, remaining resources, and sizes of queues."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from glowpy.errors import ConfigError
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.security import Policy
from glowpy.wire.transport import LinkEvent, Poller, Transport
from tests.echoing import BOUND_S, HELLO, LOOPBACK, TIMING, Client, echoing, text_message
from tests.keys import policy_as

CONNECTED = LinkEvent.CONNECTED


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(Policy(insecure=True), TIMING) as transport:
        yield transport


@pytest.fixture
def echo() -> Iterator[Address]:
    with echoing() as address:
        yield address


def test_a_closed_link_has_nothing_more_to_say(transport, echo):
    client = Client(transport.connect(echo))
    client.ask(HELLO)
    client.poller.unregister(client.link)
    client.link.close()
    assert client.link.receive() is None
    assert client.link.events() == []
    assert client.poller.poll(0) == []


@contextmanager
def ending_in_time() -> Iterator[None]:
    """Abort the test run with a traceback if the block hangs."""
    timer = threading.Timer(BOUND_S, os.kill, (os.getpid(), signal.SIGABRT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def test_closing_does_not_wait_for_unreachable_peers():
    with socket.socket() as mute, socket.socket() as probe, ending_in_time():
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        probe.bind(("127.0.0.1", 0))  # and never listens
        with Transport(Policy(insecure=True), Timing().scaled(0.05)) as transport:
            for each in (mute, probe):
                link = transport.connect(Address("127.0.0.1", each.getsockname()[1]))
                for _ in range(100):
                    link.send(HELLO, bytes(1000))


@pytest.mark.parametrize("is_link_closed", [True, False])
def test_last_messages_leave_while_a_transport_closes(transport, is_link_closed):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", probe.getsockname()[1])
    with Transport(Policy(insecure=True), TIMING._replace(linger_s=BOUND_S)) as other:
        link = other.connect(address)
        for number in range(100):
            link.send(text_message(str(number)))
        if is_link_closed:
            link.close()
        server = transport.serve(address)
    poller = Poller()
    poller.register(server, server)
    for number in range(100):
        while (received := server.receive()) is None:
            assert poller.poll(BOUND_S), "a message is lost"
        assert received[1] == text_message(str(number))


def held() -> tuple[int, int]:
    """File descriptors and threads of this process."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def wait_until_no_more_is_held_than(before: tuple[int, int]) -> None:
    """Wait for ZeroMQ, which closes sockets in a separate thread."""
    deadline = time.monotonic() + BOUND_S
    pause = Poller()
    while any(now > then for now, then in zip(held(), before, strict=True)):
        assert time.monotonic() < deadline, f"{held()} are held, {before} were"
        pause.poll(0.01)


def test_nothing_is_left_of_a_closed_transport():
    before = held()
    with echoing() as echo:
        for policy, expected in (
            (Policy(insecure=True), CONNECTED),
            (policy_as(), LinkEvent.REFUSED),
        ):
            with Transport(policy, TIMING) as transport:
                transport.serve(LOOPBACK)
                clients = [Client(transport.connect(echo)) for _ in range(5)]
                assert all(client.event() is expected for client in clients)
                clients[0].link.close()
                assert held() > before
    wait_until_no_more_is_held_than(before)


def test_nothing_is_left_of_an_address_that_cannot_be_had(echo):
    with Transport(Policy(insecure=True), TIMING) as transport:
        transport.serve(LOOPBACK)
        before = held()
        for _ in range(20):
            with pytest.raises(ConfigError):
                transport.serve(echo)
            with pytest.raises(ConfigError):
                transport.connect(Address("two words", 1))
        wait_until_no_more_is_held_than(before)


def test_nothing_is_left_of_a_closed_link(transport, echo):
    Client(transport.connect(echo)).ask(HELLO)
    before = held()
    for _ in range(20):
        client = Client(transport.connect(echo))
        client.ask(HELLO)
        client.link.close()
    wait_until_no_more_is_held_than(before)


def test_one_transport_holds_many_links(transport, echo):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        clients = [Client(transport.connect(echo)) for _ in range(400)]
        for client in clients:
            client.link.send(HELLO)
        assert all(client.answer()[0] == HELLO for client in clients)
    finally:
        for client in clients:
            client.link.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_open_files_are_an_error_with_a_reason():
    script = """
import resource
from tests.echoing import *
from glowpy.errors import ConfigError
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
with Transport(Policy(insecure=True), TIMING) as transport:
    server = transport.serve(LOOPBACK)
    try:
        for _ in range(60):
            transport.connect(server.address)
    except ConfigError as exc:
        print(exc)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "Too many open files" in done.stdout


@pytest.mark.slow
def test_a_slow_reader_loses_neither_messages_nor_the_connection(echo):
    timing = TIMING._replace(beat_s=0.2, peer_lost_s=2.0)
    with Transport(Policy(insecure=True), timing) as transport:
        client = Client(transport.connect(echo))
        for number in range(30_000):
            client.link.send(text_message(str(number)))
        quiet = Poller()
        until = time.monotonic() + 3 * timing.peer_lost_s
        while (left_s := until - time.monotonic()) > 0:
            quiet.poll(left_s)
        assert [client.answer()[0].run for _ in range(30_000)] == [str(n) for n in range(30_000)]
        assert client.events == [CONNECTED]


INTERRUPTED = """
import os, signal, sys
from itertools import count
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.security import Policy
from glowpy.wire.transport import Transport

def is_interrupted(at):
    lines = count(1)

    def trace(frame, event, _argument):
        if event == "line" and next(lines) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return trace

    with Transport(Policy(insecure=True), Timing().without_linger()) as transport:
        sys.settrace(trace)
        try:
            transport.serve(Address("127.0.0.1", 0))
            transport.connect(Address("127.0.0.1", 9))
        except KeyboardInterrupt as exc:
            sys.settrace(None)
            held.append(exc)  # and all that its traceback refers to
            return True
        finally:
            sys.settrace(None)
    return False

held = []
assert not is_interrupted(0)  # and now all modules are there: an import may be cut in two
print(next(at for at in count(1) if not is_interrupted(at)))
"""


@pytest.mark.slow
def test_a_signal_at_any_line_leaves_no_socket_that_would_be_waited_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
