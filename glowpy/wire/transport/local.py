"""Links within one process: a message is delivered at once, without a socket or encoding.

Each class replaces its base class. A message calls the registered handler of the link at once, and
the next `poll` returns without waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from glowpy.secret import Secret
from glowpy.wire.address import Endpoint, IpcAddress
from glowpy.wire.transport import Link, LinkEvent, Poller, Server, Transport, Watched

HERE = IpcAddress("here")  # the address of a server in this process


class LocalServer(Server):
    """A server for peers in this process.

    Args:
        receive: called with the peer, the message and the payload.
    """

    def __init__(self, receive: Callable[[bytes, Any, bytes], object]) -> None:
        self.address = HERE
        self.attendants = []
        self.take = receive
        self._links: dict[bytes, LocalLink] = {}
        self._numbers = count(1)

    def connect(self) -> LocalLink:
        peer = b"%d" % next(self._numbers)
        link = self._links[peer] = LocalLink(self, peer)
        return link

    def send(self, peer: bytes, message: Any, payload: Any = None) -> bool:
        link = self._links.get(peer)
        if link is not None:
            link.deliver(message, payload or b"")
        return link is not None

    def send_made(self, peer: bytes, make: Callable[[], tuple[Any, Any] | None]) -> bool:
        made = make()
        return made is None or self.send(peer, *made)

    def is_behind(self, peer: bytes) -> bool:
        return False

    @property
    def has_waiting(self) -> bool:
        return False

    def tend(self) -> None:
        """Nothing waits: links are unbounded."""

    def admit_run(self, _secret: Secret, _run: str) -> None:
        """Do nothing: peers in this process need no key."""

    def dismiss_run(self, _run: str) -> None:
        """Do nothing: peers in this process need no key."""

    def receive(self) -> None:
        """Messages go to the function of the constructor."""

    def sockets(self) -> Iterator[Any]:
        return iter(())


class LocalLink(Link):
    """A link to a `LocalServer`."""

    def __init__(self, server: LocalServer, peer: bytes) -> None:
        self.address = server.address
        self.peer = peer
        self.is_connected = True
        self._server = server
        self._inbox: deque[tuple[Any, bytes]] = deque()
        self._poller: LocalPoller | None = None
        self._handle: Callable[[], object] | None = None

    def send(self, message: Any, payload: Any = None) -> None:
        self._server.take(self.peer, message, payload or b"")

    def receive(self) -> tuple[Any, bytes] | None:
        return self._inbox.popleft() if self._inbox else None

    def events(self) -> list[LinkEvent]:
        return [LinkEvent.CONNECTED]

    def sockets(self) -> Iterator[Any]:
        return iter(())

    def close(self, *, is_lost: bool = False) -> None:
        self._inbox.clear()

    def attach(self, poller: LocalPoller, handle: Callable[[], object]) -> None:
        """Call `handle` whenever a message arrives, and wake the poller."""
        self._poller, self._handle = poller, handle
        handle()

    def detach(self) -> None:
        self._poller = self._handle = None

    def deliver(self, message: Any, payload: bytes) -> None:
        self._inbox.append((message, payload))
        if self._poller is not None and self._handle is not None:
            self._poller.wake()
            self._handle()


class LocalTransport(Transport):
    """Connects to one server in this process."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server

    def connect(self, _address: Endpoint, *, run_key: object = None) -> LocalLink:
        return self._server.connect()


class LocalPoller(Poller):
    """Waits for file descriptors and for messages of local links."""

    is_awake = False  # a message was delivered after the last `poll`

    def register(self, watched: Watched, data: Any) -> None:
        if isinstance(watched, LocalLink):
            watched.attach(self, data)
        else:
            super().register(watched, data)

    def unregister(self, watched: Watched) -> None:
        if isinstance(watched, LocalLink):
            watched.detach()
        else:
            super().unregister(watched)

    def wake(self) -> None:
        self.is_awake = True

    def poll(self, timeout_s: float | None) -> list[Any]:
        is_awake, self.is_awake = self.is_awake, False
        return super().poll(0.0 if is_awake else timeout_s)
