"""The nursery: a process forked before any socket or thread of ours exists, which forks every
executor of a standalone run.

Executors are forks of the driver as it was when the run began, so functions and closures need no
pickling. The nursery itself stays single-threaded and does nothing else; when the driver dies, it
reads the end of its socket, kills every executor and removes the run's directory. If the nursery
dies, too, every executor reads the end of a pipe, removes the directory and ends; and if they are
all killed at once, a later nursery removes it.

    driver -> nursery   "start EXECUTOR" | "kill EXECUTOR"
    nursery -> driver   "started EXECUTOR PID" | "exited EXECUTOR CODE" | "unstarted EXECUTOR WHY"

CODE is an exit status, or minus a signal's number. One message is one packet.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import warnings

# `socket` makes enums of all its constants, which would take 3 percent of a start.
from _socket import AF_UNIX, MSG_DONTWAIT, SHUT_RDWR, SOCK_SEQPACKET, socket, socketpair
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType

from glowpy.driver.scratch import remove
from glowpy.driver.stopping import detach
from glowpy.record import NamedTuple
from glowpy.signals import undisturbed
from glowpy.stdio import flush

_PACKET_BYTES = 4096


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
        executor_main: the life of an executor, given its name.
        directory: of the run, to be removed in the end.
        prepare: called in the nursery once, for all executors.
    """

    def __init__(
        self,
        executor_main: Callable[[str], None],
        directory: str,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._executor_main = executor_main
        self._prepare = prepare
        self._directory = directory
        self._socket: socket | None = None
        self._ahead: set[str] = set()  # started before anybody asked for them
        self.pid = 0

    def __enter__(self) -> Nursery:
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        flush()
        with warnings.catch_warnings():
            # Python warns of threads of the user's own; the child runs none of their code before
            # it forks, and holds no lock of ours.
            warnings.simplefilter("ignore", DeprecationWarning)
            with undisturbed():
                self.pid = os.fork()
                if self.pid == 0:
                    _live(theirs, ours, self._prepare, self._executor_main, self._directory)
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
            os.kill(self.pid, signal.SIGCONT)  # somebody may have stopped it
        with suppress(ChildProcessError):  # where the user ignores SIGCHLD, the system reaps it
            os.waitpid(self.pid, 0)  # bounded: it only kills and removes

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

    def start(self, executor: str) -> None:
        if executor in self._ahead:
            self._ahead.remove(executor)
        else:
            self._send(f"start {executor}")

    def start_ahead(self, executors: Sequence[str]) -> None:
        """Start executors that `start` will be called for before long."""
        for executor in executors:
            self.start(executor)
        self._ahead.update(executors)

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
                packet = self._socket.recv(_PACKET_BYTES, MSG_DONTWAIT)
            except BlockingIOError:
                return found
            if not packet:
                raise ConnectionError("the process that starts executors has died")
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


def _live(
    ours: socket,
    driver: socket,
    prepare: Callable[[], None],
    executor_main: Callable[[str], None],
    directory: str,
) -> None:
    """The nursery's whole life, from fork to exit."""
    try:
        driver.close()
        os.setsid()  # Ctrl-C in the terminal is the driver's to handle
        detach()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, children could not be waited for
        prepare()
        from glowpy.driver.nursed import hold, remove_abandoned  # the driver need not have these

        hold(directory)
        gc.freeze()  # collecting in an executor would copy every page of the driver's heap
        _Executors(ours, executor_main, directory).serve()
        remove(directory)
        remove_abandoned(os.path.dirname(directory))
        os._exit(0)
    except BaseException:  # noqa: BLE001
        _print_exception()
    finally:
        os._exit(1)


class _Executors:
    def __init__(
        self, driver: socket, executor_main: Callable[[str], None], directory: str
    ) -> None:
        self._driver = driver
        self._executor_main = executor_main
        self._directory = directory
        self._lifeline, self._held = os.pipe()  # the other end is in this process only
        self._pids: dict[str, int] = {}
        self._by_descriptor: dict[int, str] = {}
        self._unsent: deque[bytes] = deque()  # packets for which the driver has no room yet
        self._poll = select.poll()
        self._poll.register(driver, select.POLLIN)

    def serve(self) -> None:
        """Obey the driver until it is gone; then end every executor."""
        while True:
            for descriptor, happened in self._poll.poll():
                if descriptor in self._by_descriptor:
                    self._reap(descriptor)
                elif happened == select.POLLOUT:
                    self._send()
                elif not self._obey():
                    for pid in self._pids.values():
                        _kill_group(pid)
                    for pid in self._pids.values():
                        os.waitpid(pid, 0)
                    return

    def _obey(self) -> bool:
        try:
            packet = self._driver.recv(_PACKET_BYTES)
        except ConnectionError:
            return False
        if not packet:
            return False
        command, executor = packet.decode().split(" ", 1)
        if command == "start":
            self._start(executor)
        elif executor in self._pids:
            _kill_group(self._pids[executor])
        return True

    def _start(self, executor: str) -> None:
        try:
            pid = os.fork()
        except OSError as exc:
            self._tell(f"unstarted {executor} {exc.strerror}")
            return
        if pid == 0:
            self._become(executor)
        _lead_group(pid)
        descriptor = os.pidfd_open(pid)
        self._pids[executor] = pid
        self._by_descriptor[descriptor] = executor
        self._poll.register(descriptor, select.POLLIN)
        self._tell(f"started {executor} {pid}")

    def _become(self, executor: str) -> None:
        try:
            _lead_group(0)
            self._driver.close()
            os.close(self._held)
            for descriptor in self._by_descriptor:
                os.close(descriptor)
            from glowpy.task.lifeline import end_with

            # The last executor to end finds nothing that another could still make.
            end_with(self._lifeline, partial(remove, self._directory))
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.close(nothing)
            self._executor_main(executor)
            flush()
            os._exit(0)
        except BaseException:  # noqa: BLE001
            _print_exception()
            flush()
        finally:
            os._exit(1)

    def _reap(self, descriptor: int) -> None:
        executor = self._by_descriptor.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        pid = self._pids.pop(executor)
        _kill_group(pid)  # what it has started; nobody else has this number before the next line
        _, status = os.waitpid(pid, 0)
        self._tell(f"exited {executor} {os.waitstatus_to_exitcode(status)}")

    def _tell(self, text: str) -> None:
        self._unsent.append(text.encode())
        self._send()

    def _send(self) -> None:
        try:
            while self._unsent:
                self._driver.send(self._unsent[0], MSG_DONTWAIT)
                self._unsent.popleft()
        except BlockingIOError:
            self._poll.modify(self._driver, select.POLLIN | select.POLLOUT)
            return
        except ConnectionError:
            self._unsent.clear()  # the driver is gone: the next packet read from it is its end
        self._poll.modify(self._driver, select.POLLIN)


def _lead_group(pid: int) -> None:
    """What an executor starts is in its group, and ends with it when it is killed.

    Executor and nursery both see to it: neither can know who comes first.
    """
    with suppress(ProcessLookupError):  # it has ended
        os.setpgid(pid, pid)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # none is left, or only another user's
        os.killpg(pid, signal.SIGKILL)


def _print_exception() -> None:
    import traceback  # not needed by most starts, and slow

    traceback.print_exc()
