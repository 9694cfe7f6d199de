"""Sockets: the one module that imports zmq. One factory, one policy for all of them.

Servers are ROUTERs, links are DEALERs. Nothing here waits except `Poller.poll`; nothing queues
without bound; a dead peer is noticed by the system's own news of a closed connection, or by
ZeroMQ's heartbeats where the network swallows it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, TypeAlias

import zmq
import zmq.utils.z85

from glowpy.errors import ClusterError, ConfigError, ProtocolError
from glowpy.timing import Timing
from glowpy.wire.address import Address, Endpoint
from glowpy.wire.coding import MAX_FRAME_BYTES, Coder, Payload
from glowpy.wire.messages import MESSAGES
from glowpy.wire.security import ClusterKey, Policy

_QUEUE_MESSAGES = 10_000  # from one peer, or to a server
# To one peer of a server. Whoever takes nothing is given up: this is beyond what a slow one needs.
_ANSWERS = 1_000_000
_DROPPED_AT_ONCE = 100  # messages that are none; then the caller may look at other things
_MAX_SOCKETS = 16_384  # of one transport: three for each link
_OVERHEAD_BYTES = 1024  # what encryption may add to a frame
_COPY_BYTES = 64 << 10  # larger payloads are handed to ZeroMQ without a copy
_RECONNECT_MS, _RECONNECT_MAX_MS = 50, 1000
_MONITOR_EVENT = struct.Struct("=HI")  # zmq_socket_monitor(3): event, value; then the address
_MONITORED = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"


class LinkEvent(Enum):
    """What a link's connection has come to."""

    CONNECTED = "connected"  # handshake and all
    DISCONNECTED = "disconnected"  # the peer, or the way to it, is gone; ZeroMQ tries again
    REFUSED = "refused"  # the handshake failed: another key, or none


class Transport:
    """All sockets of one process or one run, and their policy. A context manager.

    Raises:
        ConfigError: the policy's key is damaged.
    """

    def __init__(self, policy: Policy, timing: Timing) -> None:
        if policy.key is not None and not _is_pair(policy.key):
            raise ConfigError("the cluster's key is damaged; make one with `glowpy keys FILE`")
        self._policy = policy
        self._timing = timing
        self._coder = Coder(MESSAGES)
        self._context = zmq.Context(io_threads=1)
        self._context.set(zmq.MAX_SOCKETS, _MAX_SOCKETS)
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
        socket.setsockopt(zmq.SNDHWM, _ANSWERS)
        socket.setsockopt(zmq.IPV6, _is_ipv6(address))
        key = self._policy.key
        if key is not None and isinstance(address, Address):
            self._gate = self._gate or Gate(self._socket(zmq.REP), key)
            socket.curve_secretkey = key.secret
            socket.curve_publickey = key.public
            socket.curve_server = True
        with _explained(f"listen on {address}", socket):
            socket.bind(_url(address, is_server=True))
        if isinstance(address, Address):
            endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
            assert isinstance(endpoint, bytes)
            port = int(endpoint.rstrip(b"\0").rpartition(b":")[2])
            address = Address(address.host, port)
        return Server(socket, address, self._coder, self._gate)

    def connect(self, address: Endpoint) -> Link:
        """Reach a server; returns at once, whether or not it is there yet.

        Raises:
            ConfigError: the policy refuses the address, or it is none.
        """
        self._policy.check(address, is_server=False)
        if isinstance(address, Address) and not 0 < address.port <= 65535:
            raise ConfigError(f"cannot connect to {address}: no server has that port")
        socket = self._socket(zmq.DEALER)
        # Credit bounds what servers send. ZeroMQ would not read a peer's heartbeats past a full
        # queue: it would take a living one for dead, and come down when the queue is read.
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.IPV6, _is_ipv6(address))
        socket.setsockopt(zmq.SNDTIMEO, _milliseconds(self._timing.send_s))
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
        key = self._policy.key
        if key is not None and isinstance(address, Address):
            socket.curve_secretkey = key.secret
            socket.curve_publickey = key.public
            socket.curve_serverkey = key.public
        with _explained(f"connect to {address}", socket):
            monitor = socket.get_monitor_socket(_MONITORED)
        with _explained(f"connect to {address}", socket, monitor):
            socket.connect(_url(address, is_server=False))
        self._sockets.append(monitor)
        return Link(socket, monitor, address, self._coder)

    def close(self) -> None:
        """Close every socket and end ZeroMQ's threads; last messages may leave meanwhile."""
        for socket in self._sockets:
            if not socket.closed:
                socket.close(linger=_milliseconds(self._timing.linger_s))
        self._context.term()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        with _explained("open a socket"):
            socket: zmq.Socket[bytes] = self._context.socket(kind)
        self._sockets = [each for each in self._sockets if not each.closed]
        self._sockets.append(socket)
        timing = self._timing
        for option, value in (
            (zmq.LINGER, _milliseconds(timing.linger_s)),
            (zmq.SNDHWM, _QUEUE_MESSAGES),
            (zmq.RCVHWM, _QUEUE_MESSAGES),
            (zmq.MAXMSGSIZE, MAX_FRAME_BYTES + _OVERHEAD_BYTES),
            (zmq.HANDSHAKE_IVL, _milliseconds(timing.handshake_s)),
            (zmq.HEARTBEAT_IVL, _milliseconds(timing.beat_s)),
            (zmq.HEARTBEAT_TIMEOUT, _milliseconds(timing.peer_lost_s)),
            (zmq.TCP_KEEPALIVE, 1),
        ):
            socket.setsockopt(option, value)
        return socket


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
                _warn("refused a peer at %s: it does not hold this key", address.decode())
            status = (b"200", b"OK") if welcome else (b"400", b"another key")
            self.socket.send_multipart([version, request, *status, b"", b""])


class Server:
    """A ROUTER: talks to any number of peers, each named by its connection."""

    def __init__(
        self, socket: zmq.Socket[bytes], address: Endpoint, coder: Coder, gate: Gate | None
    ) -> None:
        self._socket = socket
        self._coder = coder
        self.address = address
        self.gate = gate  # for the poller: where ZeroMQ asks about clients

    def send(self, peer: bytes, message: Any, payload: Payload | None = None) -> bool:
        """Send without waiting. False: the peer is gone, or takes nothing."""
        frames: list[Any] = [peer, *self._coder.frames(message, payload)]
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK, copy=_is_small(payload))
        except zmq.ZMQError as exc:
            if exc.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        return True

    def receive(self) -> tuple[bytes, Any, bytes] | None:
        """The next message: its peer, itself, its payload. None: wait for the poller again.

        What is no message of ours is dropped with a line in the log.
        """
        for _ in range(_DROPPED_AT_ONCE):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            try:
                message, payload = self._coder.unframe(frames[1:])
            except ProtocolError as exc:
                _warn("dropped a message of peer %s: %s", frames[0].hex(), exc)
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
            self._socket.send_multipart(frames, copy=_is_small(payload))
        except zmq.Again as exc:
            raise ClusterError(f"{self.address} takes no messages") from exc

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
        gate = watched.gate if isinstance(watched, Server) else None
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
        ready = {}
        for each, _flags in self._poller.poll(timeout_ms):
            data = self._data[each]
            if isinstance(data, Gate):
                data.answer()
            else:
                ready[id(data)] = data
        return list(ready.values())

    def _watch(self, each: Any, data: Any) -> None:
        self._poller.register(each, zmq.POLLIN)
        self._data[each] = data


def make_key() -> ClusterKey:
    """A new key pair."""
    public, secret = zmq.curve_keypair()
    return ClusterKey(public, secret)


@contextmanager
def _explained(act: str, *sockets: zmq.Socket[bytes]) -> Iterator[None]:
    """Within: what ZeroMQ cannot do is a ConfigError, and these sockets are closed."""
    try:
        yield
    except zmq.ZMQError as exc:
        for socket in sockets:
            socket.close(0)
        reason = "it is in use" if exc.errno == zmq.EADDRINUSE else zmq.strerror(exc.errno or 0)
        raise ConfigError(f"cannot {act}: {reason}") from exc


def _url(address: Endpoint, *, is_server: bool) -> str:
    if not isinstance(address, Address):
        return str(address)
    host = address.host or ("*" if is_server else "localhost")
    if host == "localhost":
        host = "127.0.0.1"  # one protocol: ZeroMQ would try IPv6 by itself
    return f"tcp://{Address(host, address.port)}"


def _is_ipv6(address: Endpoint) -> bool:
    return isinstance(address, Address) and ":" in address.host


def _is_pair(key: ClusterKey) -> bool:
    try:
        return zmq.curve_public(key.secret) == key.public
    except (zmq.ZMQError, ValueError):
        return False


def _is_small(payload: Payload | None) -> bool:
    return payload is None or len(payload) < _COPY_BYTES


def _warn(text: str, *values: object) -> None:
    import logging  # slow, and not needed by most starts

    logging.getLogger(__name__).warning(text, *values)


def _milliseconds(duration_s: float) -> int:
    return max(1, round(duration_s * 1000)) if duration_s else 0
