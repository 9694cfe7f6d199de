"""Carries out the actions of an `AgentCore`, in the process of an agent or in a driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from glowpy.agent.actions import (
    Action,
    DeleteRun,
    KillProcess,
    LeasesChanged,
    LogImpostor,
    OpenDirectory,
    StartProcess,
    ToDriver,
    ToExecutor,
)
from glowpy.agent.core import AgentCore
from glowpy.agent.serving import ShardServer
from glowpy.wire.run_messages import (
    Beat,
    Commit,
    ExecutorHello,
    ExecutorReady,
    GroupEnded,
    Noted,
    OutputStream,
    Printed,
    Progress,
    RowReported,
)
from glowpy.wire.transport import Server

if TYPE_CHECKING:
    from glowpy.agent.guard import ExecutorToKill, Guard

_OF_EXECUTORS = (ExecutorHello, ExecutorReady, Commit, Progress, GroupEnded, Printed, Noted)
_AFTER_OUTPUT = (ExecutorReady, Printed, GroupEnded)  # earlier output of the process comes first

# The actions that depend on the process around the core: the embedder performs them.
EmbedderAction: TypeAlias = ToDriver | OpenDirectory | DeleteRun | LeasesChanged
_EMBEDDER_ACTIONS = (ToDriver, OpenDirectory, DeleteRun, LeasesChanged)


class AgentHost:
    """An agent's core, its shard server and its guard, for executors of any kind.

    Args:
        host: the name of this machine; readers that send the same name open segment files.
        start: starts the process of an executor, and reports by `process_started` or
            `start_failed`.
        kill: kills the process of an executor; its end is reported by `process_ended`.
        drain: reports the output of a process so far, by `process_said` or directly.
        perform: performs the remaining actions.
    """

    def __init__(
        self,
        core: AgentCore,
        server: Server,
        host: str,
        *,
        start: Callable[[StartProcess], None],
        kill: Callable[[str], None],
        drain: Callable[[str], None],
        perform: Callable[[EmbedderAction], None],
    ) -> None:
        self.core = core
        self.shards = ShardServer(core.index, server, host)
        self._server = server
        self._start = start
        self._kill = kill
        self._drain = drain
        self._perform = perform
        self._guard: Guard | None = None  # created for the first check
        self._first_look = 0.0

    # --- messages ---

    def receive(self, peer: bytes, message: Any, payload: bytes) -> bool:
        """Handle a message of a reader or an executor; False for other senders."""
        if self.shards.receive(peer, message):
            return True
        if not isinstance(message, _OF_EXECUTORS):
            return False
        if isinstance(message, _AFTER_OUTPUT):
            self._drain(message.executor)
        self.carry_out(self.core.from_executor(peer, message, payload))
        return True

    def from_driver(self, peer: bytes, message: Any, payload: bytes = b"") -> None:
        """Handle a message of a driver."""
        self.carry_out(self.core.from_driver(peer, message, payload, time.monotonic()))
        if isinstance(message, Beat):
            self._report_rows(peer, message.run)

    def _report_rows(self, peer: bytes, run: str) -> None:
        """Send the rows of last attempts in advance, for the case of a loss of this agent."""
        for attempt, row in self._noted_rows(run=run):
            if row:
                self._perform(ToDriver(peer, RowReported(run, attempt, row)))

    def _noted_rows(self, *, run: str = "", executor: str = "") -> Iterator[tuple[int, str]]:
        for attempt, noted_by in self.core.noted_attempts(run=run, executor=executor):
            from glowpy.agent.row_note import read_row_note  # after the loss of an executor

            yield attempt, read_row_note(noted_by)

    # --- processes ---

    def process_started(self, executor: str, pid: int) -> None:
        self.carry_out(self.core.process_started(executor, pid))

    def start_failed(self, executor: str, reason: str) -> None:
        """Handle the system's refusal to start an executor's process."""
        self.carry_out(self.core.start_failed(executor, reason))

    def process_said(self, executor: str, stream: OutputStream, text: str) -> None:
        """Handle lines written by a process past `print`."""
        self.carry_out(self.core.process_said(executor, stream, text))

    def process_ended(self, executor: str, cause: str) -> None:
        """Handle the end of a process; `cause` names its exit status or signal."""
        last_row = "".join(row for _attempt, row in self._noted_rows(executor=executor))
        self.carry_out(self.core.process_exited(executor, cause, last_row))

    def kill(self, executor: str, reason: str) -> None:
        self.carry_out(self.core.kill(executor, reason))

    def executors_to_kill(
        self, now: float, *others: tuple[str, int, int]
    ) -> Iterable[ExecutorToKill]:
        """Return processes to be killed: too large, or stalled.

        Args:
            others: further processes to check: name, process id, requested memory in MB.
        """
        if self._guard is None:
            self._first_look = self._first_look or now + self.core.timing.beat_s
            if now < self._first_look:
                return ()
            from glowpy.agent.guard import Guard  # most runs end before the first look

            self._guard = Guard(self.core.timing)
        return self._guard.executors_to_kill(now, [*others, *self.core.processes()])

    # --- actions ---

    def carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, _EMBEDDER_ACTIONS):
                self._perform(action)
            elif isinstance(action, ToExecutor):
                self._server.send(action.peer, action.message, action.payload or None)
            elif isinstance(action, StartProcess):
                self._start(action)
            elif isinstance(action, KillProcess):
                self._kill(action.executor)
            elif isinstance(action, LogImpostor):
                _log_impostor(action)
            else:
                self.shards.carry_out([action])


def _log_impostor(action: LogImpostor) -> None:
    from glowpy.logger import get_logger  # slow, and not needed by most runs

    ids = {"run": action.run, "executor": action.executor}
    text = "dropped a greeting of peer %s, which is not the executor %s that it names"
    get_logger(__name__).warning(text, action.peer.hex(), action.executor, extra=ids)
