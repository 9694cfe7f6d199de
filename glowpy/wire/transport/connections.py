"""The connections of a listening server: refused ones are logged, and descriptors are kept free.

libzmq reports changes of connections as events (zmq_socket_monitor(3)). Without free descriptors,
libzmq would call accept() in a loop. Before the limit is reached, new connections are held back
until enough descriptors are free again.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
import time

import zmq

from glowpy.descriptors import take
from glowpy.logger import get_logger
from glowpy.wire.transport.listening_socket import ListeningSocket

log = get_logger(__name__)

RESERVE = 64  # descriptors
_EVENT = struct.Struct("=HI")  # event, value; then the address
_AT_ONCE = 1000  # events in one call of `answer`
_LOOK_S = 0.25  # between looks for free descriptors
EVENTS = (
    zmq.EVENT_LISTENING
    | zmq.EVENT_ACCEPTED
    | zmq.EVENT_ACCEPT_FAILED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_DISCONNECTED
)
_LEFT = (errno.EPIPE, errno.ECONNRESET)
_REASONS: dict[int, str] = {
    zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH: "it uses no key",
    zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC: "it expects a server with another key",
}
_GARBAGE = "it does not speak the protocol"
_LEFT_IT = "the peer has closed it"
_UNKNOWN = "a peer of unknown address"  # libzmq has closed the connection at once
_OTHER_KEY = "it holds another key"  # logged by the authenticator


class Connections:
    """Reads the events of one server's socket.

    Args:
        monitor: socket for the events of the server's socket.
        url: address of the server, for the log.
        handshake_s: the deadline of handshakes.
        has_reserve: keep descriptors free for files and processes.
    """

    def __init__(
        self,
        monitor: zmq.Socket[bytes],
        url: str,
        handshake_s: float,
        *,
        has_reserve: bool,
    ) -> None:
        self.socket = monitor
        self._listening: ListeningSocket | None = None
        self._is_held_back = False
        self._url = url
        self._handshake_s = handshake_s
        self._pending: dict[int, str] = {}  # addresses by descriptor, before the handshake
        self._doubtful: set[int] = set()  # `_completed` of these have completed the handshake
        self._completed = 0
        self._failure = ""  # of the connection that the next event ends
        self._reserve = take(RESERVE) if has_reserve else []
        self._has_reserve = has_reserve
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._first_too_many = limit - max(RESERVE, limit // 8)
        self._next_look = 0.0
        self.answer()

    def answer(self) -> None:
        """Process events."""
        for _ in range(_AT_ONCE):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._take(*_EVENT.unpack(frames[0]))

    def tick(self) -> None:
        """Accept connections again once enough descriptors are free."""
        if not self._is_held_back or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_S
        try:
            open_count = len(os.listdir("/proc/self/fd"))
        except OSError:  # not even one descriptor is free
            return
        if open_count + 2 * RESERVE > self._first_too_many:
            return
        self._reserve = take(RESERVE)
        assert self._listening is not None
        self._listening.let_in()
        self._is_held_back = False
        log.warning("%s accepts connections again", self._url)

    def close(self) -> None:
        """Close the descriptors in reserve."""
        self._release()

    def _take(self, event: int, value: int) -> None:
        if event == zmq.EVENT_ACCEPTED:
            self._pending[value] = _peer_of(value)
            self._doubtful.discard(value)
            if value >= self._first_too_many and self._has_reserve:
                self._hold_back()
        elif event == zmq.EVENT_ACCEPT_FAILED:
            if value in (errno.EMFILE, errno.ENFILE):
                self._hold_back()
        elif event == zmq.EVENT_LISTENING:
            self._listening = ListeningSocket(value)
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:  # of any pending connection
            self._completed += 1
            self._doubtful = set(self._pending)
            self._resolve()
        elif event == zmq.EVENT_DISCONNECTED:
            self._ended(value)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            self._failure = _REASONS.get(value, _GARBAGE)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            late = f"it was not complete within {self._handshake_s:g} s"
            self._failure = _LEFT_IT if value in _LEFT else late
        else:
            self._failure = _OTHER_KEY

    def _ended(self, descriptor: int) -> None:
        address = self._pending.pop(descriptor, None)  # None: the handshake was complete
        failure, self._failure = self._failure, ""
        if descriptor in self._doubtful:
            self._doubtful.discard(descriptor)
            self._completed -= not failure
            self._resolve()
        elif address is not None and not failure:
            failure = _GARBAGE
        if failure == _LEFT_IT:
            log.debug("a connection of %s ended before its handshake", address)
        elif failure and failure != _OTHER_KEY:
            log.warning("refused a handshake of %s: %s", address or _UNKNOWN, failure)

    def _resolve(self) -> None:
        """Forget the connections in doubt once all have completed the handshake."""
        self._completed = max(0, self._completed)
        if self._completed >= len(self._doubtful):
            for descriptor in self._doubtful:
                self._pending.pop(descriptor, None)
            self._doubtful.clear()
            self._completed = 0

    def _hold_back(self) -> None:
        """Hold back new connections and close the connections in the queue."""
        if self._is_held_back or self._listening is None:
            return
        try:
            self._listening.hold_back()
        except OSError as exc:
            log.warning("cannot hold back connections at %s: %s", self._url, exc.strerror)
            return
        self._is_held_back = True
        is_more = True
        while is_more:
            try:
                is_more = self._listening.refuse_one()
            except OSError:  # no descriptor is free
                if not self._reserve:
                    break
                os.close(self._reserve.pop())
        self._release()
        log.warning(
            "%s accepts no more connections: this process may open no more files (ulimit -n)",
            self._url,
        )

    def _release(self) -> None:
        while self._reserve:
            os.close(self._reserve.pop())


def _peer_of(descriptor: int) -> str:
    """The address of the peer of a connection; empty after the end of the connection."""
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        return ""
    try:
        host, port = connection.getpeername()[:2]
    except (OSError, ValueError):
        return ""
    finally:
        connection.detach()  # it is libzmq's
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
