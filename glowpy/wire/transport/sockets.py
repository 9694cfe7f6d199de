"""The two kinds of sockets, and what is sent and received through them; nothing here waits."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

import zmq

from glowpy.errors import ClusterError, ProtocolError
from glowpy.wire.address import Endpoint
from glowpy.wire.coding import Coder, Payload

if TYPE_CHECKING:
    from glowpy.wire.transport.gate import Gate

_TOLD, _TOLD_EVERY = 100, 10_000  # dropped messages: a stranger's flood must not fill the disk
_DROPPED_AT_ONCE = 100  # messages that are none; then the caller may look at other things
_COPY_BYTES = 64 << 10  # larger payloads are handed to ZeroMQ without a copy
# as plain numbers: or-ing pyzmq's enums takes as long as sending
_AT_ONCE, _MORE_AT_ONCE = int(zmq.NOBLOCK), int(zmq.NOBLOCK) | int(zmq.SNDMORE)
_MONITOR_EVENT = struct.Struct("=HI")  # zmq_socket_monitor(3): event, value; then the address


class LinkEvent(Enum):
    """What a link's connection has come to."""

    CONNECTED = "connected"  # handshake and all
    DISCONNECTED = "disconnected"  # the peer, or the way to it, is gone; ZeroMQ tries again
    REFUSED = "refused"  # the handshake failed: another key, or none


class Server:
    """A ROUTER: talks to any number of peers, each named by its connection."""

    def __init__(
        self, socket: zmq.Socket[bytes], address: Endpoint, coder: Coder, gate: Gate | None
    ) -> None:
        self._socket = socket
        self._coder = coder
        self._dropped = 0
        self.address = address
        self.gate = gate  # for the poller: where ZeroMQ asks about clients

    def send(self, peer: bytes, message: Any, payload: Payload | None = None) -> bool:
        """Send without waiting. False: the peer is gone, or takes nothing, or not so much."""
        try:
            frames: list[Any] = [peer, *self._coder.frames(message, payload)]
        except ProtocolError as exc:  # an answer repeats what it was asked, which may be long
            _warn("sent nothing to peer %s: %s", peer.hex(), exc)
            return False
        send, last = self._socket.send, len(frames) - 1
        try:
            for number, frame in enumerate(frames):
                flags = _AT_ONCE if number == last else _MORE_AT_ONCE
                send(frame, flags, copy=number < 2 or _is_small(payload))
        except zmq.ZMQError as exc:
            if exc.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        return True

    def receive(self) -> tuple[bytes, Any, bytes] | None:
        """The next message: its peer, itself, its payload. None: wait for the poller again.

        What is no message of ours is dropped with a line in the log; of many, some are told.
        """
        for _ in range(_DROPPED_AT_ONCE):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            try:
                message, payload = self._coder.unframe(frames[1:])
            except ProtocolError as exc:
                self._dropped += 1
                if self._dropped <= _TOLD or self._dropped % _TOLD_EVERY == 0:
                    peer = frames[0].hex()
                    _warn("dropped a message (no. %d) of peer %s: %s", self._dropped, peer, exc)
                continue
            return frames[0], message, payload
        return None

    def sockets(self) -> Iterator[zmq.Socket[bytes]]:
        """For the poller."""
        yield self._socket


class Link:
    """A DEALER: a connection to one server, made and made again by ZeroMQ."""

    def __init__(
        self, socket: zmq.Socket[bytes], monitor: zmq.Socket[bytes], address: Endpoint, coder: Coder
    ) -> None:
        self._socket = socket
        self._monitor = monitor
        self._coder = coder
        self.is_connected = False
        self.address = address

    def send(self, message: Any, payload: Payload | None = None) -> None:
        """Send; waits, within a bound, while the queue to the server is full.

        Raises:
            ClusterError: the server takes nothing.
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
        """The next message and its payload. None: there is none now, or the link is closed.

        Raises:
            ProtocolError: the server speaks another language.
        """
        if self._socket.closed:
            return None
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        return self._coder.unframe(frames)

    def events(self) -> list[LinkEvent]:
        """What has happened to the connection since the last call."""
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
            elif self.is_connected:  # else it has been refused
                self.is_connected = False
                found.append(LinkEvent.DISCONNECTED)
        return found

    def sockets(self) -> Iterator[zmq.Socket[bytes]]:
        """For the poller."""
        yield self._socket
        yield self._monitor

    def close(self, *, is_lost: bool = False) -> None:
        """Disconnect; messages not sent yet may still leave, unless the server `is_lost`."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(linger=0 if is_lost else None)


def _is_small(payload: Payload | None) -> bool:
    return payload is None or len(payload) < _COPY_BYTES


def _warn(text: str, *values: object) -> None:
    from glowpy.logger import get_logger  # slow, and not needed by most starts

    get_logger(__name__).warning(text, *values)
