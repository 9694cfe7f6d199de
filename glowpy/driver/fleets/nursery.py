"""The nursery: a process forked before any socket or thread of ours exists, which forks every
executor of a standalone run.

Executors are forks of the driver as it was when the run began, so functions and closures need no
pickling. The nursery itself stays single-threaded and does nothing else; when the driver dies, it
reads the end of its socket, kills every executor and removes the run's directory. If the nursery
dies, too, every executor reads the end of a pipe, removes the directory and ends; and if they are
all killed at once, a later nursery removes it.

    driver -> nursery   "start EXECUTOR SECRET" | "fresh EXECUTOR SECRET" | "kill EXECUTOR"
    nursery -> driver   "started EXECUTOR PID" | "exited EXECUTOR CODE" | "unstarted EXECUTOR WHY"

CODE is an exit status, or minus a signal's number; SECRET is in hexadecimal digits. One message is
one packet. A fresh executor is not a fork but a new process of Python: see `fresh_start`.
"""

from __future__ import annotations

import os
import signal
import warnings

# `socket` makes enums of all its constants, which would take 3 percent of a start.
from _socket import AF_UNIX, MSG_DONTWAIT, SHUT_RDWR, SOCK_SEQPACKET, socket, socketpair
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from glowpy.driver.stopping import detach
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.signals import await_exit, signals_blocked
from glowpy.stdio import flush

PACKET_BYTES = 4096
_EXIT_S = 60.0  # it kills the executors and removes the directory, however many files are there


class Started(NamedTuple):
    """An executor's process exists."""

    executor: str
    pid: int


class Exited(NamedTuple):
    """An executor's process is gone: its exit status, or minus a signal's number."""

    executor: str
    code: int


class Unstarted(NamedTuple):
    """The system would not make another process."""

    executor: str
    reason: str


def executor_name(number: int) -> str:
    """The name of the executor that is started as the first, second, …"""
    return f"e{number}"


class Nursery:
    """The driver's handle on its nursery. A context manager: leaving it ends every executor.

    Args:
        executor_main: the life of an executor, given its name and its one-time secret.
        directory: of the run, to be removed in the end.
        prepare: called in the nursery once, for all executors.
        become_fresh: makes a fork a new process, given its lifeline, name and secret.
    """

    def __init__(
        self,
        executor_main: Callable[[str, Secret], None],
        directory: str,
        prepare: Callable[[], None] = lambda: None,
        become_fresh: Callable[[int, str, Secret], None] | None = None,
    ) -> None:
        self._executor_main = executor_main
        self._become_fresh = become_fresh
        self._prepare = prepare
        self._directory = directory
        self._socket: socket | None = None
        self._ahead: dict[str, Secret] = {}  # executors started before `start` was called
        self.pid = 0
        self.starts_fresh = False  # executors from now on

    def __enter__(self) -> Nursery:
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        flush()
        with warnings.catch_warnings():
            # Python warns of threads of the user's own; the child runs none of their code before
            # it forks, and holds no lock of ours.
            warnings.simplefilter("ignore", DeprecationWarning)
            with signals_blocked():
                self.pid = os.fork()
                if self.pid == 0:
                    self._live(theirs, ours)
        theirs.close()
        self._socket = ours
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._socket is not None
        self.dismiss()
        self._socket.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)  # a stopped process would not end
        if not await_exit(self.pid, _EXIT_S):
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # a later run removes the directory
            await_exit(self.pid, _EXIT_S)

    def dismiss(self) -> None:
        """Have it kill what is left and end; leaving the block waits for that."""
        assert self._socket is not None
        # Forks made meanwhile hold copies, the nursery of another thread's run for one: closing
        # ours would not end the connection.
        with suppress(OSError):  # the nursery may be gone
            self._socket.shutdown(SHUT_RDWR)

    def fileno(self) -> int:
        assert self._socket is not None
        return self._socket.fileno()

    def secret_of(self, executor: str) -> Secret:
        """The secret with which an executor was started ahead, or a new one to start it with."""
        return self._ahead.get(executor) or Secret.make()

    def start(self, executor: str, secret: Secret) -> None:
        """Start an executor, unless it was started ahead."""
        if self._ahead.pop(executor, None) is None:
            self._send(f"{'fresh' if self.starts_fresh else 'start'} {executor} {secret.hex()}")

    def start_ahead(self, executors: Sequence[str]) -> None:
        """Start executors that `start` will be called for before long."""
        secrets = {executor: Secret.make() for executor in executors}
        for executor, secret in secrets.items():
            self.start(executor, secret)
        self._ahead.update(secrets)

    def kill(self, executor: str) -> None:
        self._send(f"kill {executor}")

    def events(self) -> list[Started | Exited | Unstarted]:
        """What has happened since the last call; never waits.

        Raises:
            ConnectionError: the nursery itself has died.
        """
        assert self._socket is not None
        found: list[Started | Exited | Unstarted] = []
        while True:
            try:
                packet = self._socket.recv(PACKET_BYTES, MSG_DONTWAIT)
            except BlockingIOError:
                return found
            if not packet:
                raise ConnectionError("the process that starts its executors has died")
            kind, executor, rest = packet.decode().split(" ", 2)
            if kind == "started":
                found.append(Started(executor, int(rest)))
            elif kind == "exited":
                found.append(Exited(executor, int(rest)))
            else:
                found.append(Unstarted(executor, rest))

    def _send(self, text: str) -> None:
        assert self._socket is not None
        # Waits only while the nursery obeys what was sent before: it never waits for us.
        with suppress(ConnectionError):  # it has died: so says `events`
            self._socket.send(text.encode())

    def _live(self, driver: socket, handle: socket) -> None:
        """The nursery's whole life, from fork to exit."""
        try:
            handle.close()
            os.setsid()  # Ctrl-C in the terminal is the driver's to handle
            detach()
            # the driver need not have it
            from glowpy.driver.fleets.nursery_process import serve

            serve(driver, self._prepare, self._executor_main, self._become_fresh, self._directory)
            os._exit(0)
        except BaseException:  # noqa: BLE001
            print_exception()
        finally:
            os._exit(1)


def print_exception() -> None:
    import traceback  # not needed by most starts, and slow

    traceback.print_exc()
