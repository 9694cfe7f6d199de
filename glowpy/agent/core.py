"""The agent as a pure machine: messages and process events in, actions out.

The cluster's agent process and the standalone driver embed the same core, and each performs the
actions its own way. This module has the runs, `agent.pool` their executors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from glowpy.agent.actions import Action, DeleteRun, OpenDirectory, ToDriver
from glowpy.agent.executors import Limits, UseLease, accept_lease
from glowpy.agent.pool import ExecutorPool
from glowpy.agent.runs import Run, is_name
from glowpy.flags import is_module_name
from glowpy.ranges import ECHOED_CHARACTERS
from glowpy.secret import Secret
from glowpy.shards.pull import ShardIndex
from glowpy.timing import Timing
from glowpy.wire.messages import LeaseInUse
from glowpy.wire.run_messages import (
    Abort,
    Assign,
    Beat,
    CloseRun,
    Launch,
    OpenRun,
    OutputStream,
    Progress,
    Recall,
    Retire,
    RunClosed,
    RunOpened,
    RunRefused,
)


class AgentCore:
    """Runs, executors and shards of one agent.

    Args:
        owner: this agent's address as shard owner.
        host: the name of this machine; readers that send the same name open segment files.
        directory: for the directories of runs.
        make_nonce: returns sixteen random bytes.
        make_secret: returns the one-time secret of an executor, given its name.
        use_lease: as of `ExecutorPool`.
    """

    def __init__(
        self,
        owner: str,
        host: str,
        directory: str,
        limits: Limits,
        timing: Timing,
        make_nonce: Callable[[], bytes],
        make_secret: Callable[[str], Secret],
        use_lease: UseLease = accept_lease,
    ) -> None:
        self.directory = directory
        self.timing = timing
        self.make_nonce = make_nonce
        self.index = ShardIndex()
        self._pool = ExecutorPool(owner, host, limits, timing, self.index, make_secret, use_lease)
        self._runs: dict[str, Run] = {}

    def leases(self) -> tuple[LeaseInUse, ...]:
        return self._pool.leases()

    def about(self, executor: str) -> dict[str, str]:
        """Return the ids of an executor and its current work, for a log."""
        return self._pool.about(executor)

    def runs(self) -> list[str]:
        return list(self._runs)

    def run_directory(self, run: str) -> str:
        return self._runs[run].directory

    # --- messages of drivers ---

    def from_driver(self, peer: bytes, message: Any, payload: bytes, now: float) -> list[Action]:
        """Handle a driver's message."""
        return list(self._from_driver(peer, message, payload, now))

    def _from_driver(
        self, peer: bytes, message: Any, payload: bytes, now: float
    ) -> Iterator[Action]:
        if isinstance(message, OpenRun):
            yield from self._open_run(peer, message, payload, now)
            return
        run = self._runs.get(message.run)
        if run is None or run.is_closing or run.peer != peer:
            if not isinstance(message, CloseRun):
                name = message.run[:ECHOED_CHARACTERS]
                yield ToDriver(peer, RunRefused(name, "this agent does not know the run"))
            return
        run.heard_at = now
        if isinstance(message, Launch):
            yield from self._pool.launch(run, message, now)
        elif isinstance(message, CloseRun):
            yield from self._close_run(run, "the run is over")
        elif isinstance(message, Beat):
            yield ToDriver(peer, Beat(message.run))
            if attempts := self._pool.news_of(run):
                yield ToDriver(peer, Progress(message.run, attempts))
        elif isinstance(message, (Assign, Recall, Abort, Retire)):
            yield from self._pool.command(run, message, now)

    def _open_run(
        self, peer: bytes, message: OpenRun, payload: bytes, now: float
    ) -> Iterator[Action]:
        name = message.run
        called = f"{message.module}-{name}" if message.module else name
        directory = os.path.join(self.directory, called)
        if not is_name(name):
            refused = RunRefused(name[:ECHOED_CHARACTERS], "the run's name is not a name")
            yield ToDriver(peer, refused)
        elif message.module and not is_module_name(message.module):
            yield ToDriver(peer, RunRefused(name, "the module's name is not a name"))
        elif not message.secret:
            yield ToDriver(peer, RunRefused(name, "the run has no secret"))
        elif name in self._runs:
            yield ToDriver(peer, RunRefused(name, "the run exists here already"))
        elif any(run.directory == directory for run in self._runs.values()):
            yield ToDriver(peer, RunRefused(name, "the run's directory is another's"))
        else:
            nonce, secret = self.make_nonce(), message.secret
            self._runs[name] = Run(name, peer, payload, directory, nonce, secret, now)
            yield OpenDirectory(name, directory, message)

    def program_ready(self, name: str, files: int, size_bytes: int) -> list[Action]:
        """Report to the driver that the program of a run has arrived."""
        run = self._runs.get(name)
        if run is None or run.is_closing:
            return []
        run.is_open = True
        return [ToDriver(run.peer, RunOpened(name, files, size_bytes))]

    def program_failed(self, name: str, reason: str) -> list[Action]:
        """Refuse a run whose program cannot be fetched."""
        run = self._runs.pop(name, None)
        refused = RunRefused(name, reason)
        if run is None:
            return []
        return [ToDriver(run.peer, refused), DeleteRun(name, run.directory)]

    # --- messages of executors ---

    def from_executor(self, peer: bytes, message: Any, payload: bytes) -> list[Action]:
        """Handle an executor's message; messages of unknown executors have no effect."""
        return list(self._pool.hear(peer, message, payload))

    # --- news of processes ---

    def processes(self) -> Iterator[tuple[str, int, int]]:
        """Return every running executor: its name, process id, and requested memory."""
        return self._pool.processes()

    def process_started(self, executor: str, pid: int) -> list[Action]:
        return list(self._pool.started(executor, pid))

    def start_failed(self, executor: str, reason: str) -> list[Action]:
        """Handle the system's refusal to start an executor's process."""
        return list(self._pool.start_failed(executor, reason))

    def process_said(self, executor: str, stream: OutputStream, text: str) -> list[Action]:
        """Handle lines written by an executor's process past `print`."""
        return list(self._pool.said(executor, stream, text))

    def noted_attempts(self, *, run: str = "", executor: str = "") -> list[tuple[int, str]]:
        """Return the attempts of a run or executor that note rows, each with its segment file."""
        return list(self._pool.noted_attempts(run=run, executor=executor))

    def process_exited(self, executor: str, cause: str, last_row: str = "") -> list[Action]:
        """Handle the end of an executor's process; `cause` names its exit status or signal."""
        run, actions = self._pool.exited(executor, cause, last_row)
        return actions if run is None else [*actions, *self._delete_if_over(run)]

    def kill(self, executor: str, reason: str) -> list[Action]:
        """Kill an executor at once."""
        return list(self._pool.kill(executor, reason))

    # --- time, and ends ---

    def tick(self, now: float) -> list[Action]:
        """Handle timeouts: silent drivers, executors that neither greet nor end."""
        actions: list[Action] = []
        for run in list(self._runs.values()):
            silence_s = now - run.heard_at
            if run.is_closing:
                continue
            if silence_s >= self.timing.driver_lost_s:
                actions += self._close_run(run, "its driver was silent")
            elif silence_s >= 2 * self.timing.beat_s and now >= run.next_probe:
                # Sending is the only way to detect a lost connection.
                run.next_probe = now + self.timing.beat_s
                actions.append(ToDriver(run.peer, Beat(run.name)))
        return [*actions, *self._pool.tick(now)]

    def driver_gone(self, peer: bytes) -> list[Action]:
        """Close the runs of a driver that has closed its connection, and given up the agent."""
        runs = [run for run in self._runs.values() if run.peer == peer and not run.is_closing]
        return [each for run in runs for each in self._close_run(run, "its driver is gone")]

    def close_all(self) -> list[Action]:
        """Close every run at the end of the agent."""
        runs = list(self._runs.values())
        return [each for run in runs for each in self._close_run(run, "the agent has ended")]

    def _close_run(self, run: Run, reason: str) -> Iterator[Action]:
        run.is_closing = True
        yield from self.index.drop_run(run.name, reason)
        yield from self._pool.kill_all_of(run, reason)
        yield from self._delete_if_over(run)

    def _delete_if_over(self, run: Run) -> Iterator[Action]:
        if run.is_closing and run.name in self._runs and not self._pool.has_any_of(run):
            del self._runs[run.name]
            yield DeleteRun(run.name, run.directory)
            yield ToDriver(run.peer, RunClosed(run.name))
