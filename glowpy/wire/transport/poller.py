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
        self._gates: dict[Any, Gate] = {}  # answered here: nobody else minds them

    def register(self, watched: Watched, data: Any) -> None:
        """Report `data` whenever there may be something to receive from `watched`."""
        if isinstance(watched, int):
            self._watch(watched, data)
            return
        for socket in watched.sockets():
            self._watch(socket, data)
        gate = watched.gate if isinstance(watched, Server) else None
        if gate is not None and gate.socket not in self._gates:
            self._poller.register(gate.socket, zmq.POLLIN)
            self._gates[gate.socket] = gate

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
            if each in self._gates:
                self._gates[each].answer()
            else:
                data = self._data[each]
                ready[id(data)] = data
        return list(ready.values())

    def _watch(self, each: Any, data: Any) -> None:
        self._poller.register(each, zmq.POLLIN)
        self._data[each] = data
