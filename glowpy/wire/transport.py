"""Sockets: the one module that imports zmq. One factory, one policy for all of them.

Servers are ROUTERs, links are DEALERs. Nothing here waits except `Poller.poll`; nothing queues
without bound; a dead peer is noticed by the system's own news of a closed connection, or by
ZeroMQ's heartbeats where the network swallows it.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from enum import Enum
from types import TracebackType
from typing import Any, TypeAlias

import zmq
import zmq.utils.z85

from glowpy.errors import ClusterError, ConfigError, ProtocolError
from glowpy.timing import Timing
from glowpy.wire.address import Address, Endpoint
from glowpy.wire.coding import Coder
from glowpy.wire.security import ClusterKey, Policy

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 64 << 20  # a run description or one assignment; data frames are 4 MiB
QUEUE_MESSAGES = 10_000  # waiting in one direction at one peer
_COPY_BYTES = 64 << 10  # larger payloads are handed to ZeroMQ without a copy
_RECONNECT_MS, _RECONNECT_MAX_MS = 50, 1000
_MONITOR_EVENT = struct.Struct("=HI")  # zmq_socket_monitor(3): event, value; then the address
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"

Payload: TypeAlias = bytes | memoryview


class LinkEvent(Enum):
    """What a link's connection has come to."""

    CONNECTED = "connected"  # handshake and all
    DISCONNECTED = "disconnected"  # the peer, or the way to it, is gone; ZeroMQ tries again
    REFUSED = "refused"  # the handshake failed: another key, or none


class Transport:
    """All sockets of one process or one run, and their policy. A context manager."""

    def __init__(self, policy: Policy, timing: Timing, coder: Coder | None = None) -> None:
        if coder is None:
            from glowpy.wire.messages import MESSAGES

            coder = Coder(MESSAGES)
        self._policy = policy
        self._timing = timing
        self._coder = coder
        self._context = zmq.Context(io_threads=1)
        self._sockets: list[zmq.Socket[bytes]] = []
        self._gate: Gate | None = None

    def serve(self, address: Endpoint) -> Server:
        """Listen; port 0 takes a free one.

        Raises:
            ConfigError: the address cannot be had, or the policy refuses it.
        """
        self._policy.check(address, is_server=True)
        socket = self._socket(zmq.ROUTER)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        if self._policy.key is not None and isinstance(address, Address):
            self._open_gate(self._policy.key)
            socket.curve_secretkey = self._policy.key.secret
            socket.curve_publickey = self._policy.key.public
            socket.curve_server = True
        try:
            socket.bind(_url(address, is_server=True))
        except zmq.ZMQError as exc:
            socket.close(0)
            reason = "it is in use" if exc.errno == zmq.EADDRINUSE else exc.strerror
            raise ConfigError(f"cannot listen on {address}: {reason}") from exc
        if isinstance(address, Address):
            endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
            assert isinstance(endpoint, bytes)
            port = int(endpoint.rstrip(b"\0").rpartition(b":")[2])
            address = Address(address.host, port)
        return Server(socket, address, self._coder, self._gate)

    def connect(self, address: Endpoint) -> Link:
        """Reach a server; returns at once, whether or not it is there yet.

        Raises:
            ConfigError: the policy refuses the address, or its host is unknown.
        """
        self._policy.check(address, is_server=False)
        socket = self._socket(zmq.DEALER)
        socket.setsockopt(zmq.SNDTIMEO, _milliseconds(self._timing.send_s))
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
        key = self._policy.key
        if key is not None and isinstance(address, Address):
            socket.curve_secretkey = key.secret
            socket.curve_publickey = key.public
            socket.curve_serverkey = key.public
        monitor = socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_DISCONNECTED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        )
        self._sockets.append(monitor)
        try:
            socket.connect(_url(address, is_server=False))
        except zmq.ZMQError as exc:
            raise ConfigError(f"cannot connect to {address}: {exc.strerror}") from exc
        return Link(socket, monitor, address, self._coder)

    def close(self) -> None:
        """Close every socket and end ZeroMQ's threads; last messages may leave meanwhile."""
        for socket in self._sockets:
            if not socket.closed:
                socket.close(linger=_milliseconds(self._timing.linger_s))
        self._context.term()

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        self._sockets = [each for each in self._sockets if not each.closed]
        self._sockets.append(socket)
        timing = self._timing
        for option, value in (
            (zmq.LINGER, _milliseconds(timing.linger_s)),
            (zmq.SNDHWM, QUEUE_MESSAGES),
            (zmq.RCVHWM, QUEUE_MESSAGES),
            (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),
            (zmq.HANDSHAKE_IVL, _milliseconds(timing.handshake_s)),
            (zmq.HEARTBEAT_IVL, _milliseconds(timing.beat_s)),
            (zmq.HEARTBEAT_TIMEOUT, _milliseconds(timing.peer_lost_s)),
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.IPV6, 0),
        ):
            socket.setsockopt(option, value)
        return socket

    def _open_gate(self, key: ClusterKey) -> None:
        if self._gate is None:
            self._gate = Gate(self._socket(zmq.REP), key)


class Gate:
    """The ZAP handler: ZeroMQ asks it about every client that greets a CURVE server."""

    def __init__(self, socket: zmq.Socket[bytes], key: ClusterKey) -> None:
        self.socket = socket
        self._public = zmq.utils.z85.decode(key.public)
        socket.bind(_ZAP_ENDPOINT)

    def answer(self) -> None:
        """Let in whoever has proved to hold the cluster's key; log the others."""
        while True:
            try:
                version, request, _domain, address, _identity, mechanism, *credentials = (
                    self.socket.recv_multipart(zmq.NOBLOCK)
                )
            except zmq.Again:
                return
            welcome = mechanism == b"CURVE" and credentials == [self._public]
            if not welcome:
                log.warning("refused a peer at %s: it does not hold this key", address.decode())
            status = (b"200", b"OK") if welcome else (b"400", b"another key")
            self.socket.send_multipart([version, request, *status, b"", b""])


class Server:
    """A ROUTER: talks to any number of peers, each named by its connection."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        address: Endpoint,
        coder: Coder,
        gate: Gate | None,
    ) -> None:
        self._socket = socket
        self._coder = coder
        self._gate = gate
        self.address = address

    def send(self, peer: bytes, message: Any, payload: Payload | None = None) -> bool:
        """Send without waiting. False: the peer is gone, or takes nothing."""
        frames: list[Any] = [peer, self._coder.encode(message)]
        if payload is not None:
            frames.append(payload)
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK, copy=_is_small(payload))
        except zmq.ZMQError as exc:
            if exc.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        return True

    def receive(self) -> tuple[bytes, Any, bytes] | None:
        """The next message: its peer, itself, its payload. None: there is none now.

        What is no message of ours is dropped with a line in the log.
        """
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            try:
                message, payload = _unframe(self._coder, frames[1:])
            except ProtocolError as exc:
                log.warning("dropped a message of peer %s: %s", frames[0].hex(), exc)
                continue
            return frames[0], message, payload

    def sockets(self) -> Iterator[zmq.Socket[bytes]]:
        """For the poller."""
        yield self._socket

    @property
    def gate(self) -> Gate | None:
        """For the poller: where ZeroMQ asks about clients."""
        return self._gate

    def close(self) -> None:
        self._socket.close()


class Link:
    """A DEALER: a connection to one server, made and made again by ZeroMQ."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        monitor: zmq.Socket[bytes],
        address: Endpoint,
        coder: Coder,
    ) -> None:
        self._socket = socket
        self._monitor = monitor
        self._coder = coder
        self.address = address

    def send(self, message: Any, payload: Payload | None = None) -> None:
        """Send; waits, within a bound, while the queue to the server is full.

        Raises:
            ClusterError: the server takes nothing.
        """
        frames: list[Any] = [self._coder.encode(message)]
        if payload is not None:
            frames.append(payload)
        try:
            self._socket.send_multipart(frames, copy=_is_small(payload))
        except zmq.Again as exc:
            raise ClusterError(f"{self.address} takes no messages") from exc

    def receive(self) -> tuple[Any, bytes] | None:
        """The next message and its payload. None: there is none now.

        Raises:
            ProtocolError: the server speaks another language.
        """
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        return _unframe(self._coder, frames)

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
                found.append(LinkEvent.CONNECTED)
            elif event == zmq.EVENT_DISCONNECTED:
                found.append(LinkEvent.DISCONNECTED)
            else:
                found.append(LinkEvent.REFUSED)
        return found

    def sockets(self) -> Iterator[zmq.Socket[bytes]]:
        """For the poller."""
        yield self._socket
        yield self._monitor

    @property
    def gate(self) -> Gate | None:
        return None

    def close(self) -> None:
        """Disconnect; messages not sent yet may still leave."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()


Watched: TypeAlias = Server | Link | int


class Poller:
    """Waits for several servers, links and file descriptors at once."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._data: dict[Any, Any] = {}

    def register(self, watched: Watched, data: Any) -> None:
        """Report `data` whenever there may be something to receive from `watched`."""
        if isinstance(watched, int):
            self._watch(watched, data)
            return
        for socket in watched.sockets():
            self._watch(socket, data)
        gate = watched.gate
        if gate is not None and gate.socket not in self._data:
            self._watch(gate.socket, gate)

    def unregister(self, watched: Watched) -> None:
        for each in [watched] if isinstance(watched, int) else list(watched.sockets()):
            if each in self._data:
                self._poller.unregister(each)
                del self._data[each]

    def poll(self, timeout_s: float | None) -> list[Any]:
        """The data of everything that is ready; waits at most `timeout_s`, or for ever if None."""
        timeout_ms = None if timeout_s is None else max(0, round(timeout_s * 1000 + 0.5))
        ready = []
        for each, _flags in self._poller.poll(timeout_ms):
            data = self._data[each]
            if isinstance(data, Gate):
                data.answer()
            elif data not in ready:
                ready.append(data)
        return ready

    def _watch(self, each: Any, data: Any) -> None:
        self._poller.register(each, zmq.POLLIN)
        self._data[each] = data


def make_key() -> ClusterKey:
    """A new key pair."""
    public, secret = zmq.curve_keypair()
    return ClusterKey(public, secret)


def _url(address: Endpoint, *, is_server: bool) -> str:
    if not isinstance(address, Address):
        return str(address)
    host = address.host or ("*" if is_server else "localhost")
    if host == "localhost":
        host = "127.0.0.1"  # one protocol: ZeroMQ would try IPv6 by itself
    return f"tcp://{Address(host, address.port)}"


def _unframe(coder: Coder, frames: list[bytes]) -> tuple[Any, bytes]:
    if not 1 <= len(frames) <= 2:
        raise ProtocolError(f"a message has {len(frames)} frames")
    return coder.decode(frames[0]), frames[1] if len(frames) == 2 else b""


def _is_small(payload: Payload | None) -> bool:
    return payload is None or len(payload) < _COPY_BYTES


def _milliseconds(duration_s: float) -> int:
    return max(1, round(duration_s * 1000)) if duration_s else 0
