"""A gate that blocks task groups until the test releases each group."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.processes import BOUND_S

SCRIPT = '''
import os, socket
import glowpy
from glowpy import Flow

def pass_gate(name, row):
    """Returns when the test has let this row through."""
    with socket.create_connection(("127.0.0.1", int(glowpy.argv()[0])), timeout=120) as gate:
        gate.sendall(f"{name} {row} {os.getpid()}\\n".encode())
        gate.recv(1)
    return row
'''


@dataclass(eq=False)
class Waiting:
    """A group that waits at the gate."""

    name: str
    row: str
    pid: int
    connection: socket.socket = field(repr=False)


class Gate:
    """Blocks groups until the test releases them; on leaving the block, opens for all groups."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = str(self._server.getsockname()[1])
        self._waiting: list[Waiting] = []
        self._news = threading.Condition()
        self._is_open = False
        self._thread = threading.Thread(target=self._accept)
        self.pids: dict[str, set[int]] = {}  # of all arrivals, by name
        self.most_waiting = 0  # at the same time

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.open()
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(BOUND_S)
        self._server.close()

    def waiting(self) -> list[Waiting]:
        """The waiting groups, in order of arrival."""
        with self._news:
            return list(self._waiting)

    def counts(self) -> dict[str, int]:
        return dict(Counter(each.name for each in self.waiting()))

    def wait_until(self, is_so: Callable[[list[Waiting]], bool]) -> list[Waiting]:
        """Wait for arrivals until the condition holds; return the waiting groups."""
        with self._news:
            assert self._news.wait_for(lambda: is_so(self._waiting), BOUND_S), self._waiting
            return list(self._waiting)

    def wait_for(self, **counts: int) -> list[Waiting]:
        """Wait until the number of waiting groups of each name is `counts`."""
        return self.wait_until(lambda here: Counter(each.name for each in here) == counts)

    def let_through(self, *groups: Waiting) -> None:
        with self._news:
            for each in groups:
                self._waiting.remove(each)
                each.connection.close()

    def let_until(self, names: str, **counts: int) -> list[Waiting]:
        """Let groups of these names through, one after another, until `counts` of each are waiting.

        Groups of a name that is within its count are not released.
        """
        while True:
            here = self.wait_until(
                lambda here: (
                    Counter(each.name for each in here) == counts
                    or any(self._is_over(each.name, names, counts) for each in here)
                )
            )
            if Counter(each.name for each in here) == counts:
                return here
            self.let_through(next(e for e in here if self._is_over(e.name, names, counts)))

    def _is_over(self, name: str, names: str, counts: dict[str, int]) -> bool:
        here = sum(each.name == name for each in self._waiting)
        return name in names.split() and here > counts.get(name, 0)

    def open(self) -> None:
        """Let all waiting and all later groups through."""
        with self._news:
            self._is_open = True
            while self._waiting:
                self._waiting.pop().connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._server.accept()
            except OSError:
                return
            try:
                line = connection.makefile().readline()
            except ConnectionError:
                line = ""
            if not line.endswith("\n"):  # the process was killed before it had sent its name
                connection.close()
                continue
            name, row, pid = line.split()
            with self._news:
                self.pids.setdefault(name, set()).add(int(pid))
                if self._is_open:
                    connection.close()
                    continue
                self._waiting.append(Waiting(name, row, int(pid), connection))
                self.most_waiting = max(self.most_waiting, len(self._waiting))
                self._news.notify_all()
