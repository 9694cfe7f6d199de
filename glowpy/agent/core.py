"""The agent as a pure machine: messages and process news in, actions out.

The cluster's agent process and the standalone driver embed the same core; what differs is who
carries its actions out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from glowpy.agent.actions import (
    Action,
    DeleteRun,
    KillProcess,
    LeasesChanged,
    OpenDirectory,
    StartProcess,
    ToDriver,
    ToExecutor,
)
from glowpy.agent.executors import ExecutorSlot, Limits, State, keep_news, news_of
from glowpy.agent.runs import Run
from glowpy.shards.pull import ShardIndex
from glowpy.timing import Timing
from glowpy.wire.greeting import refusal
from glowpy.wire.run_messages import (
    Abort,
    Assign,
    Beat,
    Begin,
    CloseRun,
    Commit,
    Describe,
    ExecutorExited,
    ExecutorHello,
    ExecutorReady,
    GroupEnded,
    GroupStarted,
    Launch,
    Launched,
    LaunchRefused,
    OpenRun,
    Outcome,
    Printed,
    Progress,
    Recall,
    Recalled,
    Retire,
    RunClosed,
    RunOpened,
    RunRefused,
    Stream,
)

_NAME = re.compile(r"[0-9a-z][0-9a-z.-]{0,63}")


class AgentCore:
    """Runs, executors and shards of one agent.

    Args:
        owner: this agent's address as shard owner.
        host: readers that name the same host read segment files themselves.
        directory: where runs have their directories.
        make_nonce: sixteen random bytes.
    """

    def __init__(
        self,
        owner: str,
        host: str,
        directory: str,
        limits: Limits,
        timing: Timing,
        make_nonce: Callable[[], bytes],
    ) -> None:
        self.owner = owner
        self.host = host
        self.directory = directory
        self.limits = limits
        self.timing = timing
        self.make_nonce = make_nonce
        self.index = ShardIndex()
        self._runs: dict[str, Run] = {}
        self._slots: dict[str, ExecutorSlot] = {}

    def leases(self) -> tuple[str, ...]:
        return tuple(slot.lease for slot in self._slots.values())

    def leased_memory_mb(self) -> int:
        return sum(slot.memory_mb for slot in self._slots.values())

    def runs(self) -> list[str]:
        return list(self._runs)

    # --- messages of drivers ---

    def from_driver(self, peer: bytes, message: Any, payload: bytes, now: float) -> list[Action]:
        """A driver's message."""
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
                yield ToDriver(peer, RunRefused(message.run, "this agent does not know the run"))
            return
        run.heard_at = now
        if isinstance(message, Launch):
            yield from self._launch(run, message, now)
        elif isinstance(message, CloseRun):
            yield from self._close_run(message.run, "the run is over", now)
        elif isinstance(message, Beat):
            yield ToDriver(peer, Beat(message.run))
            if attempts := news_of(message.run, self._slots.values()):
                yield ToDriver(peer, Progress(message.run, attempts))
        elif isinstance(message, (Assign, Recall, Abort, Retire)):
            slot = self._slots.get(message.executor)
            if slot is not None and slot.run == message.run:
                yield from self._command(run, slot, message, now)

    def _open_run(
        self, peer: bytes, message: OpenRun, payload: bytes, now: float
    ) -> Iterator[Action]:
        if not _NAME.fullmatch(message.run):
            yield ToDriver(peer, RunRefused(message.run, "the run's name is not a name"))
        elif message.run in self._runs:
            yield ToDriver(peer, RunRefused(message.run, "the run exists here already"))
        else:
            self._runs[message.run] = Run(peer, payload, self.make_nonce(), now)
            yield OpenDirectory(message.run, message)

    def program_ready(self, name: str, files: int, size_bytes: int) -> list[Action]:
        """The program of a run is here."""
        run = self._runs.get(name)
        if run is None or run.is_closing:
            return []
        run.is_open = True
        return [ToDriver(run.peer, RunOpened(name, files, size_bytes))]

    def program_failed(self, name: str, reason: str) -> list[Action]:
        """The program of a run cannot be had."""
        run = self._runs.pop(name, None)
        refused = RunRefused(name, reason)
        return [] if run is None else [ToDriver(run.peer, refused), DeleteRun(name)]

    def _launch(self, run: Run, message: Launch, now: float) -> Iterator[Action]:
        name, memory_mb = message.executor, message.memory_mb
        reason = self.limits.exceeded_by(memory_mb, len(self._slots), self.leased_memory_mb())
        if not run.is_open:
            reason = "the run's program is not here yet"
        elif not _NAME.fullmatch(name) or name in self._slots:
            reason = "the executor's name is taken, or not a name"
        if reason:
            yield ToDriver(run.peer, LaunchRefused(message.run, name, reason, fatal=False))
            return
        deadline = now + self.timing.executor_start_s
        self._slots[name] = ExecutorSlot(message.run, name, message.lease, memory_mb, deadline)
        yield StartProcess(message.run, name, message.first_group)
        yield LeasesChanged()

    def _command(
        self, run: Run, slot: ExecutorSlot, message: Assign | Recall | Abort | Retire, now: float
    ) -> Iterator[Action]:
        if isinstance(message, Assign):
            slot.queue.append(message)
            yield from self._begin_next(run, slot)
        elif isinstance(message, Recall):
            if slot.unqueue(message.attempt) is not None:
                yield ToDriver(run.peer, Recalled(slot.run, slot.executor, message.attempt))
        elif isinstance(message, Abort):
            yield from self._abort(run, slot, message)
        elif slot.state is not State.KILLED:
            slot.state = State.RETIRING
            slot.deadline = now + self.timing.shutdown_s
            slot.queue.clear()
            if slot.has_greeted:
                yield ToExecutor(slot.peer, message)
            else:
                yield from self._kill(slot, "retired before it had started")

    def _abort(self, run: Run, slot: ExecutorSlot, message: Abort) -> Iterator[Action]:
        if slot.current is not None and slot.current.attempt == message.attempt:
            slot.is_current_aborted = True
            yield from self.index.lose(slot.run, message.attempt, "the attempt was aborted")
            yield ToExecutor(slot.peer, message)
            return
        queued = slot.unqueue(message.attempt)
        if queued is not None:
            yield ToDriver(run.peer, slot.aborted(queued))

    def _begin_next(self, run: Run, slot: ExecutorSlot) -> Iterator[Action]:
        if slot.state is not State.READY or slot.current is not None or not slot.queue:
            return
        assign = slot.queue.popleft()
        slot.current = assign
        slot.is_current_aborted = False
        path = os.path.join(self.run_directory(slot.run), f"{assign.group}-{assign.attempt}.seg")
        self.index.open(slot.run, assign.attempt, path, run.nonce)
        yield ToExecutor(slot.peer, Begin(assign, path, run.nonce))
        started = GroupStarted(slot.run, slot.executor, assign.group, assign.attempt)
        yield ToDriver(run.peer, started)

    def run_directory(self, run: str) -> str:
        return os.path.join(self.directory, run)

    # --- messages of executors ---

    def from_executor(self, peer: bytes, message: Any, payload: bytes) -> list[Action]:
        """An executor's message; of executors that are not known here, nothing is taken."""
        return list(self._from_executor(peer, message, payload))

    def _from_executor(self, peer: bytes, message: Any, payload: bytes) -> Iterator[Action]:
        if isinstance(message, (Commit, Progress)):
            slot = self._slot_of_peer(peer)
            if isinstance(message, Progress):
                keep_news(slot, message)
            elif slot is not None and slot.is_writing(message.attempt):
                yield from self.index.commit(slot.run, message.attempt, message.blocks)
            return
        slot = self._slots.get(message.executor)
        run = self._runs.get(message.run)
        if slot is None or run is None or slot.run != message.run or slot.state is State.KILLED:
            yield ToExecutor(peer, Retire(message.run, message.executor))
            return
        if isinstance(message, ExecutorHello):
            yield from self._greet(run, slot, peer, message)
        elif slot.peer != peer:
            return
        elif isinstance(message, ExecutorReady):
            yield from self._ready(run, slot, message, payload)
        elif isinstance(message, GroupEnded):
            yield from self._group_ended(run, slot, message, payload)
        elif isinstance(message, Printed):
            yield ToDriver(run.peer, message)

    def _slot_of_peer(self, peer: bytes) -> ExecutorSlot | None:
        return next((slot for slot in self._slots.values() if slot.peer == peer), None)

    def _greet(
        self, run: Run, slot: ExecutorSlot, peer: bytes, hello: ExecutorHello
    ) -> Iterator[Action]:
        if slot.state is not State.LAUNCHED:
            return
        slot.peer = peer
        reason = refusal(hello, "agent")
        if reason:
            yield ToDriver(run.peer, LaunchRefused(slot.run, slot.executor, reason, fatal=True))
            yield from self._kill(slot, "another release")
            return
        slot.state = State.GREETED
        yield ToExecutor(peer, Describe(slot.run, self.owner, self.host), run.description)

    def _ready(
        self, run: Run, slot: ExecutorSlot, message: ExecutorReady, payload: bytes
    ) -> Iterator[Action]:
        if slot.state is not State.GREETED:
            return
        if message.refusal:
            refused = LaunchRefused(slot.run, slot.executor, message.refusal, fatal=True)
            yield ToDriver(run.peer, refused, payload)
            yield from self._kill(slot, "it cannot run the flow")
            return
        slot.state = State.READY
        slot.early_output = ""
        yield from self._begin_next(run, slot)

    def _group_ended(
        self, run: Run, slot: ExecutorSlot, message: GroupEnded, payload: bytes
    ) -> Iterator[Action]:
        assign = slot.current
        if assign is None or assign.attempt != message.attempt:
            return
        slot.current = None
        if slot.is_current_aborted:
            yield ToDriver(run.peer, slot.aborted(assign))
        else:
            if message.outcome is Outcome.SEALED:
                yield from self.index.commit(slot.run, message.attempt, message.blocks)
                yield from self.index.seal(slot.run, message.attempt)
            else:
                reason = f"the attempt ended: {message.outcome.value}"
                yield from self.index.lose(slot.run, message.attempt, reason)
            yield ToDriver(run.peer, message._replace(blocks=()), payload)
        yield from self._begin_next(run, slot)

    # --- news of processes ---

    def processes(self) -> Iterator[tuple[str, int, int]]:
        """Every executor that runs: its name, process id, and the memory it has asked for."""
        running = (slot for slot in self._slots.values() if slot.pid)
        return ((slot.executor, slot.pid, slot.memory_mb) for slot in running)

    def process_started(self, executor: str, pid: int) -> list[Action]:
        slot = self._slots.get(executor)
        if slot is None or slot.run not in self._runs:
            return []
        slot.pid = pid
        return [ToDriver(self._runs[slot.run].peer, Launched(slot.run, executor, pid))]

    def kill(self, executor: str, reason: str) -> list[Action]:
        """An executor has to end at once."""
        slot = self._slots.get(executor)
        return [] if slot is None else list(self._kill(slot, reason))

    def process_said(self, executor: str, stream: Stream, text: str) -> list[Action]:
        """Lines that an executor's process has written past `print`."""
        slot = self._slots.get(executor)
        run = None if slot is None else self._runs.get(slot.run)
        if slot is None or run is None or run.is_closing or slot.keep_early(text):
            return []
        return [ToDriver(run.peer, Printed(slot.run, executor, stream, text))]

    def process_exited(self, executor: str, cause: str) -> list[Action]:
        """An executor's process is gone; `cause` names its exit status or signal."""
        slot = self._slots.pop(executor, None)
        if slot is None:
            return []
        return list(self._exited(slot, slot.kill_reason or cause))

    def _exited(self, slot: ExecutorSlot, cause: str) -> Iterator[Action]:
        if slot.current is not None:
            reason = f"its executor died: {cause}"
            yield from self.index.lose(slot.run, slot.current.attempt, reason)
        yield LeasesChanged()
        run = self._runs.get(slot.run)
        if run is not None and not run.is_closing:
            is_expected = slot.state is State.RETIRING
            exited = ExecutorExited(
                slot.run, slot.executor, cause, is_expected, slot.early_output, slot.has_greeted
            )
            yield ToDriver(run.peer, exited)
        yield from self._delete_if_empty(slot.run)

    def start_failed(self, executor: str, reason: str) -> list[Action]:
        """The system would not start an executor's process."""
        slot = self._slots.pop(executor, None)
        if slot is None or slot.run not in self._runs:
            return []
        refused = LaunchRefused(slot.run, executor, f"cannot start a process: {reason}", False)
        return [ToDriver(self._runs[slot.run].peer, refused), LeasesChanged()]

    # --- time, and ends ---

    def tick(self, now: float) -> list[Action]:
        """What is due: silent drivers, executors that neither greet nor end."""
        return list(self._tick(now))

    def _tick(self, now: float) -> Iterator[Action]:
        for name, run in list(self._runs.items()):
            if now - run.heard_at >= self.timing.driver_lost_s and not run.is_closing:
                yield from self._close_run(name, "its driver has been silent", now)
        for slot in list(self._slots.values()):
            if now < slot.deadline:
                continue
            if slot.state in (State.LAUNCHED, State.GREETED):
                limit = self.timing.executor_start_s
                yield from self._kill(slot, f"it did not reach its flow within {limit:g} s")
            elif slot.state is State.RETIRING and slot.current is None:
                yield from self._kill(slot, "it did not end when told to")

    def close_all(self, now: float) -> list[Action]:
        """The agent ends: every run is closed."""
        return [
            action
            for name in list(self._runs)
            for action in self._close_run(name, "the agent has ended", now)
        ]

    def _close_run(self, name: str, reason: str, now: float) -> Iterator[Action]:
        run = self._runs[name]
        run.is_closing = True
        yield from self.index.drop_run(name, reason)
        for slot in list(self._slots.values()):
            if slot.run == name:
                yield from self._kill(slot, reason)
        yield from self._delete_if_empty(name)

    def _delete_if_empty(self, name: str) -> Iterator[Action]:
        run = self._runs.get(name)
        if run is None or not run.is_closing:
            return
        if not any(slot.run == name for slot in self._slots.values()):
            del self._runs[name]
            yield DeleteRun(name)
            yield ToDriver(run.peer, RunClosed(name))

    def _kill(self, slot: ExecutorSlot, reason: str) -> Iterator[Action]:
        if slot.state is not State.KILLED:
            slot.state = State.KILLED
            slot.kill_reason = f"killed by its agent: {reason}"
            yield KillProcess(slot.executor)
