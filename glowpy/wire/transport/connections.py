"""The connections of a listening server: logs refused ones, and keeps file descriptors free.

libzmq reports the state of its connections by events (zmq_socket_monitor(3)). In a process at its
limit of open files, libzmq would retry the next accept endlessly; so the server stops listening,
uses its reserve of descriptors, and listens again once enough descriptors are free.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from contextlib import suppress

import zmq

from glowpy.descriptors import take
from glowpy.logger import get_logger

log = get_logger(__name__)

RESERVE = 64  # descriptors
_EVENT = struct.Struct("=HI")  # event, value; then the address
_AT_ONCE = 1000  # events, before other work has its turn
_LOOK_S = 0.25  # between checks for free descriptors
EVENTS = (
    zmq.EVENT_ACCEPTED
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
_UNKNOWN = "a peer whose address libzmq does not tell"  # libzmq closes garbage at once
_OTHER_KEY = "it holds another key"  # logged by the authenticator


class Connections:
    """Reads the events of one server's socket.

    Args:
        server: the socket that listens at `url`.
        monitor: receives the events of `server`.
        handshake_s: the deadline of handshakes.
        has_reserve: keep descriptors free for other uses.
    """

    def __init__(
        self,
        server: zmq.Socket[bytes],
        monitor: zmq.Socket[bytes],
        url: str,
        handshake_s: float,
        *,
        has_reserve: bool,
    ) -> None:
        self.socket = monitor
        self.is_listening = True
        self._server = server
        self._url = url
        self._handshake_s = handshake_s
        self._pending: dict[int, str] = {}  # addresses by descriptor, before the handshake
        # pending connections, of which `_completed` have completed the handshake
        self._doubtful: set[int] = set()
        self._completed = 0
        self._failure = ""  # of the connection whose disconnect event follows
        self._reserve = take(RESERVE) if has_reserve else []
        self._has_reserve = has_reserve
        self._next_look = 0.0

    def answer(self) -> None:
        """Handle the waiting events."""
        for _ in range(_AT_ONCE):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._take(*_EVENT.unpack(frames[0]))

    def tick(self) -> None:
        """Listen again once enough descriptors are free."""
        if self.is_listening or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_S
        taken = take(2 * RESERVE)
        spare = taken if len(taken) < 2 * RESERVE else taken[RESERVE:]
        for descriptor in spare:
            os.close(descriptor)
        if spare is taken:
            return
        self._reserve = taken[:RESERVE]
        try:
            self._server.bind(self._url)
        except zmq.ZMQError as exc:
            self._release()
            log.warning("cannot listen at %s again yet: %s", self._url, exc)
            return
        self.is_listening = True
        log.warning("listening at %s again", self._url)

    def close(self) -> None:
        """Stop the events and close the reserved descriptors."""
        if not self._server.closed:
            self._server.disable_monitor()
        self._release()

    def _take(self, event: int, value: int) -> None:
        if event == zmq.EVENT_ACCEPTED:
            self._pending[value] = _peer_of(value)
            self._doubtful.discard(value)
        elif event == zmq.EVENT_ACCEPT_FAILED:
            if value in (errno.EMFILE, errno.ENFILE) and self.is_listening:
                self._stop()
        # the event does not tell which of the pending connections
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
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
        address = self._pending.pop(descriptor, None)  # None: after its handshake
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

    def _stop(self) -> None:
        with suppress(zmq.ZMQError):  # not listening
            self._server.unbind(self._url)
        self.is_listening = False
        self._release()
        log.warning(
            "not listening at %s: this process may open no more files (ulimit -n); it listens "
            "again when connections have ended",
            self._url,
        )

    def _release(self) -> None:
        while self._reserve:
            os.close(self._reserve.pop())


def _peer_of(descriptor: int) -> str:
    """Return the peer address of a connection; empty if it has ended."""
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        return ""
    try:
        host, port = connection.getpeername()[:2]
    except (OSError, ValueError):
        return ""
    finally:
        connection.detach()  # libzmq owns the descriptor
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
