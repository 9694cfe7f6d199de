"""The executors of a standalone run, forked by its fork server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from glowpy.agent.actions import StartProcess
from glowpy.agent.executors import exit_cause
from glowpy.driver.fleets.fork_messages import Exited, Started
from glowpy.driver.fleets.fork_server import ForkServer
from glowpy.driver.fleets.local_fleet import UNLIMITED_MB, LocalFleet
from glowpy.errors import ClusterError, ProgramError, TaskFailed
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.transport import Poller, Server, Transport

if TYPE_CHECKING:
    from glowpy.driver.view.captured import CapturedOutput

_FORK_SERVER = "fork server"


class StandaloneFleet(LocalFleet):
    """Executors on all cores of this machine, and their shards.

    Args:
        prepare_fresh: prepares fresh executors; raises ProgramError if impossible.
    """

    def __init__(
        self,
        fork_server: ForkServer,
        transport: Transport,
        server: Server,
        poller: Poller,
        captured: CapturedOutput | None,
        directory: str,
        plan: Plan,
        description: RunDescription,
        worker_count: int,
        timing: Timing,
        prepare_fresh: Callable[[], None],
    ) -> None:
        if captured is not None:
            captured.forked()
        self._fork_server = fork_server
        self._captured = captured
        self._plan = plan
        self._prepare_fresh = prepare_fresh
        self._forked: set[str] = set()  # executors
        self._server = server
        super().__init__(
            transport, server, poller, directory, plan, description, worker_count, timing
        )
        self.poller.register(server, self._receive)
        self.poller.register(fork_server.fileno(), self._reap)

    def __exit__(self, *exception: object) -> None:
        self._fork_server.dismiss()  # the fork server ends while the sockets are closed here
        super().__exit__(*exception)

    def advance(self, now: float) -> float:
        due = super().advance(now)
        fork_server = (_FORK_SERVER, self._fork_server.pid, UNLIMITED_MB)
        for name, reason, stands_still in self._host.executors_to_kill(now, fork_server):
            if name == _FORK_SERVER:
                raise ClusterError(f"the process that starts executors cannot go on: {reason}")
            if stands_still:
                self._replace_forks(name, reason)
            else:
                self._host.kill(name, reason)
        return due

    def _replace_forks(self, executor: str, reason: str) -> None:
        """Replace stalled forks by fresh executors, free of locks inherited from a fork.

        Raises:
            TaskFailed: fresh executors would stall, too, or cannot be started.
        """
        if executor not in self._forked:
            raise TaskFailed(
                f"{self._task_of(executor)} stands still: {reason}\nIts executor is not a fork: "
                "the function itself has taken the lock, or has never released it"
            )
        if not self._fork_server.starts_fresh:
            try:
                self._prepare_fresh()
            except ProgramError as exc:
                raise TaskFailed(
                    f"{self._task_of(executor)} stands still: {reason}\nThreads and locks of "
                    "libraries do not survive a fork, and new processes cannot replace the forks: "
                    f"{exc}"
                ) from None
            self._fork_server.starts_fresh = True
        others = f"a new process replaces it, because {executor} stands still"
        for name, _pid, _memory_mb in list(self._core.processes()):
            if name in self._forked:
                self._host.kill(name, reason if name == executor else others)

    def _task_of(self, executor: str) -> str:
        """Return the task groups of an executor, as text for messages."""
        groups = self._core.about(executor).get("group", "")
        return ", ".join(
            self._plan.task_group(int(group)).label for group in groups.split(",") if group
        )

    def _receive(self) -> None:
        while (received := self._server.receive()) is not None:
            self._host.receive(*received)

    def _drain(self) -> None:
        """Print executors' output past `print` before their later messages."""
        if self._captured is not None:
            self._captured.drain()

    def _reap(self) -> None:
        self._drain()
        try:
            events = self._fork_server.events()
        except ConnectionError as exc:
            raise ClusterError(f"the run cannot go on: {exc}") from exc
        for event in events:
            if isinstance(event, Started):
                self._host.process_started(event.executor, event.pid)
            elif isinstance(event, Exited):
                self._host.process_ended(event.executor, exit_cause(event.code))
            else:
                self._host.start_failed(event.executor, event.reason)

    def _secret_of(self, executor: str) -> Secret:
        return self._fork_server.secret_of(executor)

    def _start(self, action: StartProcess) -> None:
        if not self._fork_server.starts_fresh:
            self._forked.add(action.executor)
        self._fork_server.start(action.executor, action.secret)

    def _kill(self, executor: str) -> None:
        self._fork_server.kill(executor)
