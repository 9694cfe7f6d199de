"""Starting and reaping the processes of executors."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType

from glowpy.agent.executors import exit_cause
from glowpy.agent.output import OutputPipe
from glowpy.descriptors import restore_limit
from glowpy.environment import EXECUTOR_VARIABLE, LIFELINE_VARIABLE, SECRET_VARIABLE
from glowpy.family import kill_family, new_mark
from glowpy.secret import TaskSecrets, secret_pipe
from glowpy.signals import kill_group
from glowpy.wire.run_messages import OutputStream
from glowpy.wire.transport import Poller


@dataclass(frozen=True, slots=True)
class Process:
    """A running executor."""

    popen: subprocess.Popen[bytes]
    descriptor: int  # becomes readable when the process ends
    mark: str  # in the environment of the process and its children
    pipes: tuple[OutputPipe, OutputPipe]


class Processes:
    """The executors started by this agent. A context manager: leaving kills all of them.

    Every executor inherits the read end of a pipe, its lifeline: after any death of this process,
    the executor reads the end of the pipe. Another inherited pipe holds its secrets.

    Args:
        said: called with the executor and lines written by its process.
        ended: called with the executor and the text of its exit cause.
        patience_s: limit for the end of killed processes; a system call may delay the end for ever.
    """

    def __init__(
        self,
        poller: Poller,
        said: Callable[[str, OutputStream, str], None],
        ended: Callable[[str, str], None],
        patience_s: float,
    ) -> None:
        self._poller = poller
        self._said = said
        self._ended = ended
        self._patience_s = patience_s
        self._processes: dict[str, Process] = {}
        self._lifeline, self._lifeline_end = os.pipe()

    def start(
        self,
        executor: str,
        secrets: TaskSecrets,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: str,
    ) -> int:
        """Start an executor in its own session; return its process id.

        Raises:
            OSError: the system refused; nothing is left behind.
            ValueError: the arguments or the environment are malformed.
        """
        with ExitStack() as inherited, ExitStack() as failed:
            out = OutputPipe(self._poller, partial(self._said, executor, OutputStream.STDOUT))
            failed.callback(out.close)
            err = OutputPipe(self._poller, partial(self._said, executor, OutputStream.STDERR))
            failed.callback(err.close)
            secret_end = secret_pipe(secrets.to_bytes())
            inherited.callback(os.close, secret_end)
            mark = new_mark()
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out.writing_end,
                stderr=err.writing_end,
                cwd=directory,
                env={
                    **environment,
                    LIFELINE_VARIABLE: str(self._lifeline),
                    SECRET_VARIABLE: str(secret_end),
                    EXECUTOR_VARIABLE: mark,
                },
                pass_fds=(self._lifeline, secret_end),
                start_new_session=True,
            )
            failed.callback(popen.wait)
            failed.callback(kill_group, popen.pid)
            restore_limit(popen.pid)
            descriptor = os.pidfd_open(popen.pid)
            failed.pop_all()
        for pipe in (out, err):
            pipe.close_writing_end()
        self._processes[executor] = Process(
            popen=popen, descriptor=descriptor, mark=mark, pipes=(out, err)
        )
        self._poller.register(descriptor, lambda: self._reap(executor))
        return popen.pid

    def drain(self, executor: str) -> None:
        """Read the output of the process so far, before its later messages."""
        process = self._processes.get(executor)
        for pipe in process.pipes if process is not None else ():
            pipe.drain()

    def kill(self, executor: str) -> None:
        """SIGKILL an executor and its process group; `_reap` kills other descendants."""
        process = self._processes.get(executor)
        if process is not None:
            kill_group(process.popen.pid)

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
        deadline = time.monotonic() + self._patience_s
        for executor, process in list(self._processes.items()):
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(max(0.0, deadline - time.monotonic()))
            kill_family(EXECUTOR_VARIABLE, process.mark)
            self._forget(executor)
        os.close(self._lifeline)
        os.close(self._lifeline_end)

    def _reap(self, executor: str) -> None:
        process = self._processes[executor]
        kill_group(process.popen.pid)  # the pid is not reused before wait()
        code = process.popen.wait()
        kill_family(EXECUTOR_VARIABLE, process.mark)
        self._forget(executor)
        self._ended(executor, exit_cause(code))

    def _forget(self, executor: str) -> None:
        process = self._processes.pop(executor)
        self._poller.unregister(process.descriptor)
        os.close(process.descriptor)
        for pipe in process.pipes:
            pipe.close()
