"""The process of a fork server: forks executors, reaps them, ends them after the driver's death.

`fork_messages` documents the messages.
"""

from __future__ import annotations

import gc
import os
import select
import signal

# `socket` makes enums of all its constants, 3 percent of a start.
from _socket import MSG_DONTWAIT, socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from glowpy.driver.fleets.fork_messages import PACKET_BYTES
from glowpy.driver.orphan_dirs import lock_directory, remove_abandoned
from glowpy.driver.scratch import remove
from glowpy.environment import EXECUTOR_VARIABLE
from glowpy.family import kill_family, new_mark
from glowpy.secret import Secret
from glowpy.signals import await_exit, kill_group
from glowpy.stdio import flush, print_exception

_EXIT_S = 5.0  # for an executor after SIGKILL; a system call may delay its end


def serve(
    driver: socket,
    prepare: Callable[[], None],
    executor_main: Callable[[str, Secret], None],
    become_fresh: Callable[[int, str, Secret], None] | None,
    directory: str,
) -> None:
    """Start executors until the driver's death; then remove the run's directory."""
    # an ignored SIGCHLD would reap children automatically
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    prepare()
    lock_directory(directory)
    gc.freeze()  # a garbage collection in an executor would copy every page of the driver's heap
    _Executors(driver, executor_main, become_fresh, directory).serve()
    remove(directory)
    remove_abandoned(os.path.dirname(directory))


class _Executors:
    def __init__(
        self,
        driver: socket,
        executor_main: Callable[[str, Secret], None],
        become_fresh: Callable[[int, str, Secret], None] | None,
        directory: str,
    ) -> None:
        self._driver = driver
        self._executor_main = executor_main
        self._become_fresh = become_fresh
        self._directory = directory
        self._lifeline, self._held = os.pipe()  # the write end exists only in this process
        self._pids: dict[str, int] = {}
        self._marks: dict[str, str] = {}  # in the environment of an executor's children
        self._by_descriptor: dict[int, str] = {}
        self._unsent: deque[bytes] = deque()  # packets that exceed the socket's buffer
        self._poll = select.poll()
        self._poll.register(driver, select.POLLIN)

    def serve(self) -> None:
        """Obey the driver until its death; then end every executor."""
        while True:
            for descriptor, happened in self._poll.poll():
                if descriptor in self._by_descriptor:
                    self._reap(descriptor)
                elif happened == select.POLLOUT:
                    self._send()
                elif not self._obey():
                    self._end_all()
                    return

    def _end_all(self) -> None:
        """Kill the executors and their descendants, and wait for their end within bounds."""
        for pid in self._pids.values():
            kill_group(pid)
        for executor, pid in self._pids.items():
            await_exit(pid, _EXIT_S)
            kill_family(EXECUTOR_VARIABLE, self._marks[executor])

    def _obey(self) -> bool:
        try:
            packet = self._driver.recv(PACKET_BYTES)
        except ConnectionError:
            return False
        if not packet:
            return False
        command, executor, *rest = packet.decode().split(" ")
        if command in ("start", "fresh"):
            secret = Secret.fromhex(rest[0])
            self._start(executor, secret, is_fresh=command == "fresh")
        elif executor in self._pids:
            kill_group(self._pids[executor])
        return True

    def _start(self, executor: str, secret: Secret, *, is_fresh: bool) -> None:
        mark = new_mark()
        try:
            pid = os.fork()
        except OSError as exc:
            self._tell(f"unstarted {executor} {exc.strerror}")
            return
        if pid == 0:
            os.environ[EXECUTOR_VARIABLE] = mark
            self._become(executor, secret, is_fresh=is_fresh)
        _lead_group(pid)
        descriptor = os.pidfd_open(pid)
        self._pids[executor] = pid
        self._marks[executor] = mark
        self._by_descriptor[descriptor] = executor
        self._poll.register(descriptor, select.POLLIN)
        self._tell(f"started {executor} {pid}")

    def _become(self, executor: str, secret: Secret, *, is_fresh: bool) -> None:
        try:
            _lead_group(0)
            self._driver.close()
            os.close(self._held)
            for descriptor in self._by_descriptor:
                os.close(descriptor)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.close(nothing)
            if is_fresh:
                assert self._become_fresh is not None
                self._become_fresh(self._lifeline, executor, secret)
            from glowpy.task.lifeline import end_with

            # The last executor removes the directory when no process can create files there.
            end_with(self._lifeline, partial(remove, self._directory))
            self._executor_main(executor, secret)
            flush()
            os._exit(0)
        except BaseException:  # noqa: BLE001
            print_exception()
            flush()
        finally:
            os._exit(1)

    def _reap(self, descriptor: int) -> None:
        executor = self._by_descriptor.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        pid = self._pids.pop(executor)
        kill_group(pid)  # its children; the pid is not reused before waitpid
        _, status = os.waitpid(pid, 0)  # returns at once: the descriptor was readable
        kill_family(EXECUTOR_VARIABLE, self._marks.pop(executor))
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
            self._unsent.clear()  # the driver is gone: the next read returns its end
        self._poll.modify(self._driver, select.POLLIN)


def _lead_group(pid: int) -> None:
    """Put a process into its own group, so that its children die with it.

    Executor and fork server both call this: either may run first.
    """
    # The process has ended, or has already exec'd after leading a group.
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
