"""Starting and reaping the processes of executors."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from glowpy.agent.executors import exit_cause
from glowpy.wire.transport import Poller

_LOG_TAIL_BYTES = 4096

LIFELINE_VARIABLE = "GLOWPY_LIFELINE"


@dataclass(frozen=True, slots=True)
class Process:
    """A running executor."""

    popen: subprocess.Popen[bytes]
    descriptor: int  # becomes readable when the process ends
    log: Path


class Processes:
    """The executors that this agent has started. A context manager: leaving it kills them all.

    Every executor inherits the reading end of a pipe, its lifeline: when this process dies, however
    it dies, the executor reads its end.

    Args:
        ended: told the executor, in words how it ended, and the tail of its log.
    """

    def __init__(self, poller: Poller, ended: Callable[[str, str, str], None]) -> None:
        self._poller = poller
        self._ended = ended
        self._processes: dict[str, Process] = {}
        self._lifeline, self._lifeline_end = os.pipe()

    def start(
        self,
        executor: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: str,
        log: Path,
    ) -> int:
        """Start an executor in a session of its own; returns its process id.

        Raises:
            OSError: the system would not.
        """
        with log.open("xb") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**environment, LIFELINE_VARIABLE: str(self._lifeline)},
                pass_fds=(self._lifeline,),
                start_new_session=True,
            )
        descriptor = os.pidfd_open(popen.pid)
        self._processes[executor] = Process(popen, descriptor, log)
        self._poller.register(descriptor, lambda: self._reap(executor))
        return popen.pid

    def kill(self, executor: str) -> None:
        """SIGKILL an executor and everything that it has started in its session."""
        process = self._processes.get(executor)
        if process is not None and process.popen.returncode is None:
            try:
                os.killpg(process.popen.pid, signal.SIGKILL)
            except ProcessLookupError:
                return  # it has just ended by itself, which the poller will tell

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for executor in list(self._processes):
            self.kill(executor)
        for executor, process in list(self._processes.items()):
            process.popen.wait()
            self._forget(executor)
        os.close(self._lifeline)
        os.close(self._lifeline_end)

    def _reap(self, executor: str) -> None:
        process = self._processes[executor]
        code = process.popen.wait()
        self._forget(executor)
        self._ended(executor, exit_cause(code), _tail(process.log))

    def _forget(self, executor: str) -> None:
        process = self._processes.pop(executor)
        self._poller.unregister(process.descriptor)
        os.close(process.descriptor)


def _tail(log: Path) -> str:
    try:
        file = log.open("rb")
    except OSError:
        return ""  # somebody has removed the run's directory
    with file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LOG_TAIL_BYTES))
        return file.read().decode(errors="replace")
