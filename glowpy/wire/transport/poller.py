"""Waiting: the one place where a process that talks to others stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import zmq

from glowpy.wire.transport.sockets import Link, Server

if TYPE_CHECKING:
    from glowpy.wire.transport.gate import Gate

Watched: TypeAlias = Server | Link | int


class Poller:
    """Waits for several servers, links and file descriptors at once."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._data: dict[Any, Any] = {}
        self._gates: dict[Any, Gate] = {}  # by socket; answered in `poll`
        self._guarded: dict[Any, set[Server]] = {}  # the registered servers of each gate's socket

    def register(self, watched: Watched, data: Any) -> None:
        """Report `data` whenever there may be something to receive from `watched`."""
        if isinstance(watched, int):
            self._watch(watched, data)
            return
        for socket in watched.sockets():
            self._watch(socket, data)
        if isinstance(watched, Server) and watched.gate is not None:
            socket = watched.gate.socket
            if socket not in self._gates:
                self._poller.register(socket, zmq.POLLIN)
                self._gates[socket] = watched.gate
            self._guarded.setdefault(socket, set()).add(watched)

    def unregister(self, watched: Watched) -> None:
        """Stop waiting for `watched`, which may be closed afterwards."""
        for each in [watched] if isinstance(watched, int) else list(watched.sockets()):
            if each in self._data:
                self._poller.unregister(each)
                del self._data[each]
        if isinstance(watched, Server) and watched.gate is not None:
            socket = watched.gate.socket
            guarded = self._guarded.get(socket, set())
            guarded.discard(watched)
            if not guarded and self._gates.pop(socket, None) is not None:
                del self._guarded[socket]
                self._poller.unregister(socket)

    def poll(self, timeout_s: float | None) -> list[Any]:
        """The data of everything that is ready; waits at most `timeout_s`, or for ever if None."""
        timeout_ms = None if timeout_s is None else max(0, round(timeout_s * 1000 + 0.5))
        ready = {}
        for each, _flags in self._poller.poll(timeout_ms):
            if each in self._gates:
                self._gates[each].answer()
            else:
                data = self._data[each]
                ready[id(data)] = data
        return list(ready.values())

    def _watch(self, each: Any, data: Any) -> None:
        self._poller.register(each, zmq.POLLIN)
        self._data[each] = data
