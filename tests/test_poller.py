"""One poller for servers, links and file descriptors."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from glowpy.wire.run_messages import Beat
from glowpy.wire.security import Policy
from glowpy.wire.transport import Link, LinkEvent, Poller, Server, Transport
from tests.echoing import BOUND_S, LOOPBACK, TIMING
from tests.keys import policy_as


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


@pytest.fixture
def pair() -> Iterator[tuple[Server, Link]]:
    with Transport(Policy(insecure=True), TIMING) as transport:
        server = transport.serve(LOOPBACK)
        yield server, transport.connect(server.address)


def test_file_descriptors_are_reported_as_long_as_there_is_something_to_read(pipe):
    poller = Poller()
    poller.register(pipe[0], "pipe")
    assert poller.poll(0) == []
    os.write(pipe[1], b"xy")
    assert poller.poll(BOUND_S) == ["pipe"]
    assert poller.poll(None) == ["pipe"]
    os.read(pipe[0], 2)
    assert poller.poll(0) == []


def test_a_pipe_whose_other_end_is_closed_is_reported():
    read, write = os.pipe()
    poller = Poller()
    poller.register(read, "pipe")
    os.close(write)
    assert poller.poll(None) == ["pipe"]
    poller.unregister(read)
    assert poller.poll(0) == []
    os.close(read)


def test_messages_and_news_of_a_link_are_reported_once(pair, pipe):
    server, link = pair
    poller = Poller()
    poller.register(pipe[0], "pipe")
    poller.register(link, "link")
    poller.register(server, "server")
    link.send(Beat("there"))
    seen = set()
    while "server" not in seen or "link" not in seen:
        ready = poller.poll(BOUND_S)
        assert sorted(ready) == sorted(set(ready))
        seen |= set(ready)
    assert link.events() == [LinkEvent.CONNECTED]
    received = server.receive()
    assert received is not None
    server.send(received[0], Beat("back"))
    assert poller.poll(BOUND_S) == ["link"]
    assert link.receive() == (Beat("back"), b"")
    os.write(pipe[1], b"x")
    assert poller.poll(BOUND_S) == ["pipe"]


def test_unregistered_sources_are_not_reported(pair, pipe):
    server, link = pair
    poller = Poller()
    for each in (server, link, pipe[0]):
        poller.register(each, "unwanted")
        poller.unregister(each)
        poller.unregister(each)  # a repetition has no effect
    poller.register(pipe[0], "pipe")
    os.write(pipe[1], b"x")
    for number in range(100):
        link.send(Beat(str(number)))
    assert poller.poll(BOUND_S) == ["pipe"]
    assert poller.poll(0.05) == ["pipe"]


def test_one_thing_with_several_descriptors_is_reported_once(pipe):
    other_read, other_write = os.pipe()
    poller = Poller()
    poller.register(pipe[0], pipe)
    poller.register(other_read, pipe)
    os.write(pipe[1], b"x")
    os.write(other_write, b"x")
    assert poller.poll(BOUND_S) == [pipe]
    os.close(other_read)
    os.close(other_write)


def test_registered_objects_need_no_hash_and_may_be_equal(pipe):
    other_read, other_write = os.pipe()
    poller = Poller()
    poller.register(pipe[0], [1])
    poller.register(other_read, [1])
    os.write(pipe[1], b"x")
    os.write(other_write, b"x")
    assert poller.poll(BOUND_S) == [[1], [1]]
    os.close(other_read)
    os.close(other_write)


def test_a_deadline_that_has_passed_does_not_wait(pipe):
    poller = Poller()
    poller.register(pipe[0], "pipe")
    for timeout_s in (-5.0, -0.0001, 0.0, 1e-9):
        assert poller.poll(timeout_s) == []


def test_a_signal_does_not_end_the_wait(pipe):
    signals = []
    before = signal.signal(signal.SIGUSR1, lambda *_: signals.append(1))
    poller = Poller()
    poller.register(pipe[0], "pipe")

    def disturb() -> None:
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGUSR1)
        os.write(pipe[1], b"x")

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        assert poller.poll(BOUND_S) == ["pipe"]
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert signals


def test_a_server_with_a_key_is_unregistered_with_its_gate():
    poller = Poller()
    with Transport(policy_as(), TIMING) as transport:
        servers = [transport.serve(LOOPBACK) for _ in range(2)]
        for server in servers:
            poller.register(server, "server")
        poller.unregister(servers[0])
        client = transport.connect(servers[1].address)
        # the other server still has its authenticator
        while LinkEvent.CONNECTED not in client.events():
            poller.poll(0.01)
        poller.unregister(servers[1])
    assert poller.poll(0) == []
