"""The fork server: a process forked before any socket or thread of glowpy, the parent of executors.

Executors of a standalone run are forks of the driver as of the beginning of the run, so functions
and closures need no pickling. The fork server stays single-threaded and does nothing else; when the
driver dies, the fork server reads the end of its socket, kills every executor and removes the run's
directory. If the fork server dies, too, every executor reads the end of a pipe, removes the
directory and ends; if all are killed at once, a later fork server removes the directory.
`fork_messages` documents the messages.
"""

from __future__ import annotations

import os
import signal
import warnings

# `socket` makes enums of all its constants, 3 percent of a start.
from _socket import AF_UNIX, MSG_DONTWAIT, SHUT_RDWR, SOCK_SEQPACKET, socket, socketpair
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

from glowpy.driver.fleets.fork_messages import PACKET_BYTES, Exited, ServerEvent, Started, Unstarted
from glowpy.driver.stopping import detach
from glowpy.secret import Secret
from glowpy.signals import await_exit, signals_blocked
from glowpy.stdio import flush, print_exception

_EXIT_S = 60.0  # includes the removal of the directory, however many files


def executor_name(number: int) -> str:
    """Return the name of the executor started as the first, second, …"""
    return f"e{number}"


class ForkServer:
    """The driver's handle on its fork server. A context manager: leaving ends every executor.

    Args:
        executor_main: runs an executor, given its name and its one-time secret.
        directory: of the run, removed in the end.
        prepare: called in the fork server once, for all executors.
        become_fresh: execs a new process in a fork, given its lifeline, name and secret.
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
        self.starts_fresh = False  # for executors from now on

    def __enter__(self) -> ForkServer:
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        flush()
        with warnings.catch_warnings():
            # Python warns of the user's threads; until its forks the child runs none of the user's
            # code, and glowpy holds no lock.
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
        """Have the fork server kill all executors and end; leaving the block waits for its end."""
        assert self._socket is not None
        # Shutdown, not close: processes forked meanwhile, for instance another run's fork server,
        # hold copies of the socket.
        with suppress(OSError):  # the fork server may be gone
            self._socket.shutdown(SHUT_RDWR)

    def fileno(self) -> int:
        assert self._socket is not None
        return self._socket.fileno()

    def secret_of(self, executor: str) -> Secret:
        """Return the secret of an executor started ahead, or a new one."""
        return self._ahead.get(executor) or Secret.make()

    def start(self, executor: str, secret: Secret) -> None:
        """Start an executor, unless it was started ahead."""
        if self._ahead.pop(executor, None) is None:
            self._send(f"{'fresh' if self.starts_fresh else 'start'} {executor} {secret.hex()}")

    def start_ahead(self, executors: Sequence[str]) -> None:
        """Start executors before their `start` call."""
        secrets = {executor: Secret.make() for executor in executors}
        for executor, secret in secrets.items():
            self.start(executor, secret)
        self._ahead.update(secrets)

    def kill(self, executor: str) -> None:
        self._send(f"kill {executor}")

    def events(self) -> list[ServerEvent]:
        """Return the events since the last call; never blocks.

        Raises:
            ConnectionError: the fork server itself has died.
        """
        assert self._socket is not None
        found: list[ServerEvent] = []
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
        # Blocks only while the fork server obeys earlier packets: it never waits for the driver.
        with suppress(ConnectionError):  # the fork server has died, which `events` reports
            self._socket.send(text.encode())

    def _live(self, driver: socket, handle: socket) -> None:
        """Run the fork server, from fork to exit."""
        try:
            handle.close()
            os.setsid()  # Ctrl-C in the terminal is the driver's to handle
            detach()
            # saves the driver the import
            from glowpy.driver.fleets.fork_server_process import serve

            serve(driver, self._prepare, self._executor_main, self._become_fresh, self._directory)
            os._exit(0)
        except BaseException:  # noqa: BLE001
            print_exception()
        finally:
            os._exit(1)
