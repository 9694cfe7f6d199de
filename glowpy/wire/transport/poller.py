"""Waiting for sockets and descriptors: the only place where a process of the cluster blocks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

import zmq

from glowpy.wire.transport.sockets import Link, Server

if TYPE_CHECKING:
    from glowpy.wire.transport.authenticator import ZapAuthenticator
    from glowpy.wire.transport.connections import Connections

_FLUSH_S = 0.02  # between attempts to send queued messages

Watched: TypeAlias = Server | Link | int


class Poller:
    """Waits for several servers, links and file descriptors at once."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._data: dict[Any, Any] = {}
        self._servers: set[Server] = set()
        self._attendants: dict[
            Any, ZapAuthenticator | Connections
        ] = {}  # by socket; answered in `poll`
        self._attended: dict[Any, set[Server]] = {}  # the registered servers of each attendant

    def register(self, watched: Watched, data: Any) -> None:
        """Report `data` whenever `watched` may have something to receive."""
        if isinstance(watched, int):
            self._watch(watched, data)
            return
        for socket in watched.sockets():
            self._watch(socket, data)
        if isinstance(watched, Server):
            self._servers.add(watched)
            for attendant in watched.attendants:
                socket = attendant.socket
                if socket not in self._attendants:
                    self._poller.register(socket, zmq.POLLIN)
                    self._attendants[socket] = attendant
                self._attended.setdefault(socket, set()).add(watched)

    def unregister(self, watched: Watched) -> None:
        """Stop waiting for `watched`, so that it can be closed."""
        for each in [watched] if isinstance(watched, int) else list(watched.sockets()):
            if each in self._data:
                self._poller.unregister(each)
                del self._data[each]
        if isinstance(watched, Server):
            self._servers.discard(watched)
            for attendant in watched.attendants:
                socket = attendant.socket
                attended = self._attended.get(socket, set())
                attended.discard(watched)
                if not attended and self._attendants.pop(socket, None) is not None:
                    del self._attended[socket]
                    self._poller.unregister(socket)

    def poll(self, timeout_s: float | None) -> list[Any]:
        """Return the data of everything ready; waits at most `timeout_s`, or for ever if None.

        Meanwhile, authenticators answer, and servers send their queued messages.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        ready = {}
        while True:
            for each, _flags in self._poller.poll(self._wait_ms(deadline)):
                if each in self._attendants:
                    self._attendants[each].answer()
                else:
                    data = self._data[each]
                    ready[id(data)] = data
            if ready or (deadline is not None and time.monotonic() >= deadline):
                return list(ready.values())

    def _wait_ms(self, deadline: float | None) -> int | None:
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        for server in self._servers:
            server.tend()
            if server.has_waiting:
                left_s = _FLUSH_S if left_s is None else min(left_s, _FLUSH_S)
        return None if left_s is None else round(left_s * 1000 + 0.5)

    def _watch(self, each: Any, data: Any) -> None:
        self._poller.register(each, zmq.POLLIN)
        self._data[each] = data
