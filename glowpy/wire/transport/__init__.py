"""Sockets: the only package that imports zmq. One factory, one policy for all of them.

Servers are ROUTERs, links are DEALERs. Only `Poller.poll` blocks; every queue is bounded; a dead
peer is noticed by the system's report of a closed connection, or by ZeroMQ's heartbeats where the
network drops packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import zmq

from glowpy.errors import ConfigError
from glowpy.signals import signals_blocked
from glowpy.timing import Timing
from glowpy.wire.address import Address, Endpoint
from glowpy.wire.coding import Coder
from glowpy.wire.frame_bounds import ALL_FRAMES, FrameBounds
from glowpy.wire.messages import MESSAGES
from glowpy.wire.security import KeyPair, Policy
from glowpy.wire.transport.poller import Poller, Watched
from glowpy.wire.transport.requirements import check_descriptors, check_libzmq
from glowpy.wire.transport.routing_ids import seed_routing_ids
from glowpy.wire.transport.sockets import Link, LinkEvent, Server

if TYPE_CHECKING:
    from glowpy.wire.roles import Rules
    from glowpy.wire.transport.authenticator import ZapAuthenticator
    from glowpy.wire.transport.connections import Connections

__all__ = [
    "FEW_SOCKETS",
    "MOST_SOCKETS",
    "Link",
    "LinkEvent",
    "Poller",
    "Server",
    "Transport",
    "Watched",
    "check_libzmq",
]

_QUEUE_MESSAGES = 10_000  # to or from one peer
_SMALL_BYTES = 4096  # 10,000 frames of this size are 40 MB; larger frames are counted in bytes
_SMALL_ON_THIS_HOST_BYTES = 64 << 10  # for processes started by this one
MOST_SOCKETS = 16_384  # of one transport: three for each link
FEW_SOCKETS = 256  # for a run on this host: room for more sockets takes ZeroMQ 1.4 ms
_BACKLOG = 1024  # connections that wait for accept: all agents of a restarted master
_OVERHEAD_BYTES = 1024  # added to a frame by encryption
# Between ZeroMQ's attempts to connect. Not in `timing`: each attempt costs a connection, and many
# clients may wait for one server.
_RECONNECT_MS, _RECONNECT_MAX_MS = 50, 1000
_MONITORED = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)


class Transport:
    """All sockets of one process or one run, and their policy. A context manager.

    Args:
        more: messages beyond the common ones.
        most_sockets: limit of open sockets.
        bounds: of the accepted frames.
        keeps_unread: queue messages for a slow peer, up to a size and for `send_s`.

    Raises:
        ConfigError: the policy's key is damaged, libzmq is too old or cannot encrypt, or too few
            files may be opened.
    """

    def __init__(
        self,
        policy: Policy,
        timing: Timing,
        more: Mapping[str, type] | None = None,
        *,
        most_sockets: int = MOST_SOCKETS,
        bounds: FrameBounds = ALL_FRAMES,
        keeps_unread: bool = True,
    ) -> None:
        check_libzmq(zmq.zmq_version_info(), has_curve=zmq.has("curve"))
        _check_pairs(policy)
        check_descriptors()
        self._policy = policy
        self._timing = timing
        self._bounds = bounds
        self._keeps_s = timing.send_s if keeps_unread else 0.0
        self._coder = Coder(MESSAGES if more is None else {**MESSAGES, **more}, bounds)
        self._context = zmq.Context(io_threads=1)
        self._context.set(zmq.MAX_SOCKETS, most_sockets)
        self._sockets: list[zmq.Socket[bytes]] = []
        self._authenticator: ZapAuthenticator | None = None
        self._monitored: list[zmq.Socket[bytes]] = []
        self._connections: list[Connections] = []
        self._numbers = count(1)

    def serve(
        self,
        address: Endpoint,
        other: str = "",
        *,
        rules: Rules | None = None,
        run_key: KeyPair | None = None,
        has_reserve: bool = False,
    ) -> Server:
        """Listen; port 0 takes a free one.

        Args:
            other: the option for another port, for the error of a used port.
            rules: the messages accepted from each role; None: all, from any member.
            run_key: the key of a run, with which its driver listens.
            has_reserve: keep descriptors free for other uses.

        Raises:
            ConfigError: the address cannot be used, or the policy refuses it.
        """
        self._policy.check(address, is_server=True)
        why = partial(_why_not, address, other)
        if isinstance(address, Address):
            return self._serve_port(address, why, rules, run_key, has_reserve=has_reserve)
        socket = self._router()
        with _explained(f"listen on {address}", socket, why=why):
            socket.bind(str(address))
        small_bytes = _SMALL_ON_THIS_HOST_BYTES
        return Server(socket, address, self._coder, None, None, small_bytes, self._keeps_s)

    def _serve_port(
        self,
        address: Address,
        why: Callable[[int], str],
        rules: Rules | None,
        run_key: KeyPair | None,
        *,
        has_reserve: bool,
    ) -> Server:
        from glowpy.wire.transport.connections import EVENTS, Connections  # of servers only

        seed_routing_ids()
        socket = self._router()
        socket.setsockopt(zmq.IPV6, _is_ipv6(address))
        socket.setsockopt(zmq.BACKLOG, _BACKLOG)
        authenticator = None
        if self._policy.own is not None:
            pair = run_key or self._policy.server
            if pair is None or not pair.secret:
                raise ConfigError(
                    f"cannot listen on {address} with a key file without servers' keys"
                )
            authenticator = self._authenticator = self._authenticator or self._new_authenticator()
            authenticator.rules = rules
            authenticator.set_members(self._policy.admits)
            socket.curve_secretkey = pair.secret
            socket.curve_publickey = pair.public
            socket.curve_server = True
            socket.setsockopt(zmq.ZAP_DOMAIN, authenticator.domain)
            socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        monitor = self._monitor(socket, EVENTS)
        with _explained(f"listen on {address}", socket, monitor, why=why):
            socket.bind(_url(address, is_server=True))
        endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(endpoint, bytes)
        url = endpoint.rstrip(b"\0").decode()
        address = Address(address.host, int(url.rpartition(":")[2]))
        handshake_s = self._timing.handshake_s
        connections = Connections(monitor, url, handshake_s, has_reserve=has_reserve)
        self._connections.append(connections)
        return Server(
            socket, address, self._coder, authenticator, connections, _SMALL_BYTES, self._keeps_s
        )

    def connect(self, address: Endpoint, *, run_key: KeyPair | None = None) -> Link:
        """Connect to a server; returns at once, even without a listener.

        Args:
            run_key: the key of a run, shared by its driver's server and the clients of that server.

        Raises:
            ConfigError: the policy refuses the address, or the address is malformed.
        """
        self._policy.check(address, is_server=False)
        if isinstance(address, Address) and not 0 < address.port <= 65535:
            raise ConfigError(f"cannot connect to {address}: no server has that port")
        socket = self._socket(zmq.DEALER)
        # Credit bounds the senders. With a full queue, ZeroMQ would stop reading a peer's
        # heartbeats, take a living peer for dead, and abort when the queue is read.
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.IPV6, _is_ipv6(address))
        socket.setsockopt(zmq.SNDTIMEO, _milliseconds(self._timing.send_s))
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
        own, server = run_key or self._policy.own, run_key or self._policy.server
        if self._policy.own is not None and isinstance(address, Address):
            assert own is not None and server is not None
            socket.curve_secretkey = own.secret
            socket.curve_publickey = own.public
            socket.curve_serverkey = server.public
        with _explained(f"connect to {address}", socket), signals_blocked():
            monitor = socket.get_monitor_socket(_MONITORED)
            self._sockets.append(monitor)
        with _explained(f"connect to {address}", socket, monitor):
            socket.connect(_url(address, is_server=False))
        return Link(socket, monitor, address, self._coder)

    def use(self, policy: Policy) -> None:
        """Replace the keys: for later connections, and for all messages of clients.

        Raises:
            ConfigError: the servers' key has changed, but sockets already listen with it.
        """
        _check_pairs(policy)
        if policy.server != self._policy.server or policy.is_keyless != self._policy.is_keyless:
            raise ConfigError(
                "the servers' key in the key file has changed, which takes a restart of all servers"
            )
        self._policy = policy
        if self._authenticator is not None:
            self._authenticator.set_members(policy.admits)

    def close(self) -> None:
        """Close every socket and end ZeroMQ's threads; last messages may still be sent."""
        for socket in self._monitored:
            if not socket.closed:
                socket.disable_monitor()  # first: without a reader of events, libzmq would block
        for connections in self._connections:
            connections.close()
        for socket in self._sockets:
            if not socket.closed:
                socket.close(linger=_milliseconds(self._timing.linger_s))
        self._context.term()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _router(self) -> zmq.Socket[bytes]:
        socket = self._socket(zmq.ROUTER)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        return socket

    def _monitor(self, server: zmq.Socket[bytes], kinds: int) -> zmq.Socket[bytes]:
        """Where the events of a server's connections arrive."""
        monitor = self._socket(zmq.PAIR)
        # A full queue of events would block libzmq, and with it all connections.
        monitor.setsockopt(zmq.RCVHWM, 0)
        events = f"inproc://events-{next(self._numbers)}"
        with _explained("watch connections", server, monitor), signals_blocked():
            self._monitored.append(server)
            server.monitor(events, kinds)
            monitor.connect(events)
        return monitor

    def _new_authenticator(self) -> ZapAuthenticator:
        from glowpy.wire.transport.authenticator import ZapAuthenticator  # most starts have no key

        return ZapAuthenticator(self._socket(zmq.REP))

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        self._sockets = [each for each in self._sockets if not each.closed]
        with _explained("open a socket"), signals_blocked():
            socket: zmq.Socket[bytes] = self._context.socket(kind)
            self._sockets.append(socket)
        timing = self._timing
        for option, value in (
            (zmq.LINGER, _milliseconds(timing.linger_s)),
            (zmq.SNDHWM, _QUEUE_MESSAGES),
            (zmq.RCVHWM, _QUEUE_MESSAGES),
            (zmq.MAXMSGSIZE, self._bounds.most_bytes + _OVERHEAD_BYTES),
            (zmq.HANDSHAKE_IVL, _milliseconds(timing.handshake_s)),
            (zmq.HEARTBEAT_IVL, _milliseconds(timing.beat_s)),
            (zmq.HEARTBEAT_TIMEOUT, _milliseconds(timing.peer_lost_s)),
            (zmq.TCP_KEEPALIVE, 1),
        ):
            socket.setsockopt(option, value)
        return socket


def _check_pairs(policy: Policy) -> None:
    """Raises: ConfigError: a key is damaged."""
    if policy.own is None or policy.server is None:
        return
    from glowpy.wire.transport.curve import is_pair

    clients = [KeyPair(public) for public, _role in policy.admits]
    if not all(map(is_pair, (policy.own, policy.server, *clients))):
        raise ConfigError("the cluster's key is damaged; make one with `glowpy keys FILE`")


@contextmanager
def _explained(
    act: str, *sockets: zmq.Socket[bytes], why: Callable[[int], str] = zmq.strerror
) -> Iterator[None]:
    """Within, turn ZeroMQ's errors into a ConfigError, and close these sockets."""
    try:
        yield
    except zmq.ZMQError as exc:
        for socket in sockets:
            socket.close(0)
        raise ConfigError(f"cannot {act}: {why(exc.errno or 0)}") from exc


def _why_not(address: Endpoint, other: str, number: int) -> str:
    if not isinstance(address, Address):
        return zmq.strerror(number)
    from glowpy.wire.listener import why_not

    return why_not(address, other, number)


def _url(address: Endpoint, *, is_server: bool) -> str:
    if not isinstance(address, Address):
        return str(address)
    host = address.host or ("*" if is_server else "localhost")
    if host == "localhost":
        host = "127.0.0.1"  # one protocol: ZeroMQ alone would try IPv6 first
    return f"tcp://{Address(host, address.port)}"


def _is_ipv6(address: Endpoint) -> bool:
    return isinstance(address, Address) and ":" in address.host


def _milliseconds(duration_s: float) -> int:
    return max(1, round(duration_s * 1000)) if duration_s else 0
