"""The two kinds of sockets: sending and receiving without blocking."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

import zmq

from glowpy.errors import ClusterError, ProtocolError
from glowpy.secret import Secret
from glowpy.wire.address import Endpoint
from glowpy.wire.coding import MOST_PARTS, Coder, Payload
from glowpy.wire.transport.log_limit import LogLimit
from glowpy.wire.transport.outgoing import Frames, MakeFrames, Outgoing

if TYPE_CHECKING:
    from glowpy.wire.transport.authenticator import ZapAuthenticator
    from glowpy.wire.transport.connections import Connections

_DROPPED_AT_ONCE = 100  # invalid messages in a row, before the caller's other work
_COPY_BYTES = 64 << 10  # larger payloads are passed to ZeroMQ without a copy
# as plain numbers: or-ing pyzmq's enums takes as long as sending
_AT_ONCE, _MORE_AT_ONCE = int(zmq.NOBLOCK), int(zmq.NOBLOCK) | int(zmq.SNDMORE)
_MONITOR_EVENT = struct.Struct("=HI")  # zmq_socket_monitor(3): event, value; then the address


class LinkEvent(Enum):
    """An event of a link's connection."""

    CONNECTED = "connected"  # after the handshake
    DISCONNECTED = "disconnected"  # the peer or the network is gone; ZeroMQ reconnects
    REFUSED = "refused"  # the handshake failed: another key, or none


class Server:
    """A ROUTER: serves any number of peers, each named by its connection.

    Args:
        authenticator: authenticates clients.
        connections: reads the events of the socket.
        small_bytes: frames up to this size count as messages only, see `outgoing`.
        keeps_s: time for which messages wait for a slow peer; 0: they are dropped.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        address: Endpoint,
        coder: Coder,
        authenticator: ZapAuthenticator | None,
        connections: Connections | None,
        small_bytes: int,
        keeps_s: float,
    ) -> None:
        self._socket = socket
        self._coder = coder
        self._small_bytes = small_bytes
        self._keeps_s = keeps_s
        self._dropped = LogLimit()
        # of slow peers, and peers that receive large frames
        self._outgoing: dict[bytes, Outgoing] = {}
        self.address = address
        self.authenticator = authenticator
        self.attendants: list[ZapAuthenticator | Connections] = [
            each for each in (authenticator, connections) if each is not None
        ]
        self._connections = connections

    def send(self, peer: bytes, message: Any, payload: Payload | None = None) -> bool:
        """Send without blocking. False: the peer is gone, or takes no message of this size now."""
        frames = self._frames(peer, message, payload)
        if frames is None:
            return False
        if peer in self._outgoing or max(map(len, frames)) > self._small_bytes:
            return self._queue(peer, frames)
        send, last = self._socket.send, len(frames)
        try:
            send(peer, _MORE_AT_ONCE)
            for number, frame in enumerate(frames, 1):
                send(frame, _AT_ONCE if number == last else _MORE_AT_ONCE)
        except zmq.ZMQError as exc:
            if exc.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return exc.errno == zmq.EAGAIN and self._queue(peer, frames)
        return True

    def send_made(self, peer: bytes, make: Callable[[], tuple[Any, Payload | None] | None]) -> bool:
        """Send a message with a large payload, built once the peer takes it.

        False: the peer is gone, or takes no message.
        """

        def frames() -> list[Payload] | None:
            made = make()
            return made and self._frames(peer, *made)

        return self._queue(peer, frames)

    def is_behind(self, peer: bytes) -> bool:
        """Return True if messages wait for a slow peer."""
        outgoing = self._outgoing.get(peer)
        return outgoing is not None and outgoing.is_waiting

    @property
    def has_waiting(self) -> bool:
        """True if messages wait for any peer, so that `tend` is due soon."""
        return any(outgoing.is_waiting for outgoing in self._outgoing.values())

    def tend(self) -> None:
        """Send queued messages that peers take now; listen again after a lack of descriptors."""
        if self._connections is not None:
            self._connections.tick()
        if not self._outgoing:
            return
        now = time.monotonic()
        for peer, outgoing in list(self._outgoing.items()):
            outgoing.flush(now)
            # A peer without progress stays, so that the next `send` returns False. Messages to an
            # unreachable peer are refused by ZeroMQ.
            if outgoing.is_unreachable or (outgoing.is_idle and not outgoing.is_gone):
                del self._outgoing[peer]

    def receive(self) -> tuple[bytes, Any, bytes] | None:
        """Return the next message with its peer and payload. None: wait for the poller.

        Invalid messages, and messages that the role of the peer may not send, are dropped; the
        first of them are logged.
        """
        for _ in range(_DROPPED_AT_ONCE):
            client, frames = self._receive_frames()
            if not frames:
                return None
            try:
                message, payload = self._coder.unframe(frames[1:])
                if self.authenticator is not None:
                    self.authenticator.check(client, message)
            except ProtocolError as exc:
                if self._dropped.admits():
                    text = "dropped a message (no. %d) of peer %s: %s"
                    _warn(text, self._dropped.count, frames[0].hex(), exc)
                continue
            return frames[0], message, payload
        return None

    def _receive_frames(self) -> tuple[str, list[bytes]]:
        """Return the authenticated client, and the frames of its next message, if any."""
        if self.authenticator is None:
            return "", _parts(self._socket, MOST_PARTS + 1) or []
        try:
            # a frame object, which has the client's name
            first = self._socket.recv(_AT_ONCE, copy=False)
        except zmq.Again:
            return "", []
        parts = _parts(self._socket, MOST_PARTS) if first.more else None
        return str(first.get("User-Id")), [first.bytes, *(parts or ())]

    def admit_run(self, secret: Secret, run: str) -> None:
        """Accept messages of tasks that hold the key of a run."""
        if self.authenticator is not None:
            self.authenticator.admit_run(secret, run)

    def dismiss_run(self, run: str) -> None:
        """Accept no more messages of the tasks of a run."""
        if self.authenticator is not None:
            self.authenticator.dismiss_run(run)

    def sockets(self) -> Iterator[zmq.Socket[bytes]]:
        """Yield the socket for the poller."""
        yield self._socket

    def _frames(self, peer: bytes, message: Any, payload: Payload | None) -> list[Payload] | None:
        try:
            return self._coder.frames(message, payload)
        except ProtocolError as exc:  # an answer repeats its request, which may be long
            _warn("sent nothing to peer %s: %s", peer.hex(), exc)
            return None

    def _queue(self, peer: bytes, frames: Frames | MakeFrames) -> bool:
        now = time.monotonic()
        outgoing = self._outgoing.get(peer)
        if outgoing is None:
            outgoing = Outgoing(self._socket, peer, self._small_bytes, self._keeps_s, now)
            self._outgoing[peer] = outgoing
        is_kept = outgoing.send(frames, now)
        if outgoing.is_gone:
            del self._outgoing[peer]
        return is_kept


class Link:
    """A DEALER: a connection to one server, re-established by ZeroMQ."""

    def __init__(
        self, socket: zmq.Socket[bytes], monitor: zmq.Socket[bytes], address: Endpoint, coder: Coder
    ) -> None:
        self._socket = socket
        self._monitor = monitor
        self._coder = coder
        self.is_connected = False
        self.address = address

    def send(self, message: Any, payload: Payload | None = None) -> None:
        """Send a message; blocks, for a limited time, while the queue to the server is full.

        Raises:
            ClusterError: the server takes no messages.
        """
        frames = self._coder.frames(message, payload)
        try:
            if payload is None:
                self._socket.send(frames[0])
            else:
                self._socket.send_multipart(frames, copy=_is_small(payload))
        except zmq.Again as exc:
            raise ClusterError(f"the server at {self.address} has long taken no message") from exc

    def receive(self) -> tuple[Any, bytes] | None:
        """Return the next message and its payload. None: no message now, or the link is closed.

        Raises:
            ProtocolError: the server uses another protocol.
        """
        if self._socket.closed:
            return None
        frames = _parts(self._socket, MOST_PARTS)
        return None if frames is None else self._coder.unframe(frames)

    def events(self) -> list[LinkEvent]:
        """Return the events of the connection since the last call."""
        found = []
        while not self._monitor.closed:
            try:
                frames = self._monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            event, _value = _MONITOR_EVENT.unpack(frames[0])
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.is_connected = True
                found.append(LinkEvent.CONNECTED)
            elif event != zmq.EVENT_DISCONNECTED:
                found.append(LinkEvent.REFUSED)
            elif self.is_connected:  # otherwise refused
                self.is_connected = False
                found.append(LinkEvent.DISCONNECTED)
        return found

    def sockets(self) -> Iterator[zmq.Socket[bytes]]:
        """Yield the sockets for the poller."""
        yield self._socket
        yield self._monitor

    def close(self, *, is_lost: bool = False) -> None:
        """Disconnect; queued messages may still be sent, unless the server `is_lost`."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(linger=0 if is_lost else None)


def _parts(socket: zmq.Socket[bytes], most: int) -> list[bytes] | None:
    """Return the frames of the next message, at most `most` and one. None: no message."""
    try:
        frames = [socket.recv(_AT_ONCE)]
    except zmq.Again:
        return None
    while socket.getsockopt(zmq.RCVMORE):
        frame = socket.recv(_AT_ONCE)
        if len(frames) <= most:
            frames.append(frame)
    return frames


def _is_small(payload: Payload | None) -> bool:
    return payload is None or len(payload) < _COPY_BYTES


def _warn(text: str, *values: object) -> None:
    from glowpy.logger import get_logger  # slow, and not needed by most starts

    get_logger(__name__).warning(text, *values)
