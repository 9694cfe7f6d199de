"""A server thread that sends every message back, and a client that waits for the answers."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.address import Address, Endpoint
from glowpy.wire.run_messages import Describe
from glowpy.wire.security import Policy
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport

BOUND_S = 60.0


def text_message(text: str) -> Describe:
    """A message that may have a payload."""
    return Describe(text, "", "", Secret())


HELLO = text_message("hello")
LOOPBACK = Address("127.0.0.1", 0)
# Timeouts that no test reaches; a test of a timeout sets its own.
TIMING = Timing()._replace(linger_s=0.2)


@contextmanager
def echoing(
    policy: Policy | None = None, timing: Timing = TIMING, address: Endpoint = LOOPBACK
) -> Iterator[Any]:
    """Serve echoes in a thread and yield the server's address; the end of the block stops it."""
    started: queue.Queue[Endpoint] = queue.Queue()
    stop_read, stop_write = os.pipe()

    def serve() -> None:
        with Transport(policy or Policy(insecure=True), timing) as transport:
            server = transport.serve(address)
            poller = Poller()
            poller.register(server, server)
            poller.register(stop_read, "stop")
            started.put(server.address)
            while "stop" not in poller.poll(None):
                while (received := server.receive()) is not None:
                    server.send(*received)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield started.get(timeout=BOUND_S)
    finally:
        os.close(stop_write)
        thread.join(BOUND_S)
        os.close(stop_read)
        assert not thread.is_alive()


class Client:
    """A link with the events and messages that it has received."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.events: list[LinkEvent] = []
        self.messages: list[tuple[Any, bytes]] = []
        self.poller = Poller()
        self.poller.register(link, self)

    def ask(self, message: Any, payload: bytes | memoryview | None = None) -> tuple[Any, bytes]:
        """Send a message and return the next answer."""
        self.link.send(message, payload)
        return self.answer()

    def answer(self) -> tuple[Any, bytes]:
        self.wait(lambda: bool(self.messages), "a message")
        return self.messages.pop(0)

    def event(self) -> LinkEvent:
        self.wait(lambda: bool(self.events), "news of the connection")
        return self.events.pop(0)

    def wait(self, is_there: Any, what: str) -> None:
        deadline = time.monotonic() + BOUND_S
        self.receive_all()
        while not is_there():
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"waited for {what}"
            self.poller.poll(left_s)
            self.receive_all()

    def receive_all(self) -> None:
        self.events += self.link.events()
        while (received := self.link.receive()) is not None:
            self.messages.append(received)
