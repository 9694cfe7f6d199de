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
from glowpy.secret import Secret, secret_pipe
from glowpy.signals import kill_group
from glowpy.wire.run_messages import Stream
from glowpy.wire.transport import Poller


@dataclass(frozen=True, slots=True)
class Process:
    """A running executor."""

    popen: subprocess.Popen[bytes]
    descriptor: int  # becomes readable when the process ends
    mark: str  # in the environment of the process and of its children
    pipes: tuple[OutputPipe, OutputPipe]


class Processes:
    """The executors that this agent has started. A context manager: leaving it kills them all.

    Every executor inherits the reading end of a pipe, its lifeline: when this process dies, however
    it dies, the executor reads its end. Another inherited pipe holds its one-time secret.

    Args:
        said: told the executor, and lines that its process has written.
        ended: told the executor, and in words how it ended.
        patience_s: for processes that were killed; one in a call of the system may take for ever.
    """

    def __init__(
        self,
        poller: Poller,
        said: Callable[[str, Stream, str], None],
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
        secret: Secret,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: str,
    ) -> int:
        """Start an executor in a session of its own; returns its process id.

        Raises:
            OSError: the system would not; nothing is left of it.
            ValueError: no process can have such arguments, or such an environment.
        """
        with ExitStack() as inherited, ExitStack() as failed:
            out = OutputPipe(self._poller, partial(self._said, executor, Stream.STDOUT))
            failed.callback(out.close)
            err = OutputPipe(self._poller, partial(self._said, executor, Stream.STDERR))
            failed.callback(err.close)
            secret_end = secret_pipe(secret)
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
        self._processes[executor] = Process(popen, descriptor, mark, (out, err))
        self._poller.register(descriptor, lambda: self._reap(executor))
        return popen.pid

    def drain(self, executor: str) -> None:
        """Take what the process has written so far, before what it tells by other ways."""
        process = self._processes.get(executor)
        for pipe in process.pipes if process is not None else ():
            pipe.drain()

    def kill(self, executor: str) -> None:
        """SIGKILL an executor and its process group; `_reap` kills the rest of its family."""
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
        kill_group(process.popen.pid)  # nobody else has this number before it is waited for
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
