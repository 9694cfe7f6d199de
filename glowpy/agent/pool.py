"""The executors of one agent, from launch to exit: a pure machine, a part of `AgentCore`.

launch → LAUNCHED → hello → GREETED → ready → READY → retire → RETIRING → exit
         in every state: kill → KILLED → exit
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from glowpy.agent.actions import (
    Action,
    KillProcess,
    LeasesChanged,
    LogImpostor,
    StartProcess,
    ToDriver,
    ToExecutor,
)
from glowpy.agent.executors import ExecutorSlot, Limits, State, UseLease, accept_lease
from glowpy.agent.runs import Run, is_name
from glowpy.ranges import ECHOED_CHARACTERS
from glowpy.secret import Secret
from glowpy.shards.pull import ShardIndex
from glowpy.timing import Timing
from glowpy.wire.greeting import refusal
from glowpy.wire.messages import LeaseInUse
from glowpy.wire.run_messages import (
    Abort,
    Assign,
    AttemptStats,
    Begin,
    Commit,
    Describe,
    ExecutorHello,
    ExecutorReady,
    GroupEnded,
    Launch,
    Launched,
    LaunchRefused,
    Noted,
    Outcome,
    OutputStream,
    Printed,
    Progress,
    Recall,
    Recalled,
    Refusal,
    Retire,
)


class ExecutorPool:
    """All executors of an agent, and their output shards.

    Args:
        owner: the agent's address as shard owner.
        host: the name of this machine; readers that send the same name open segment files.
        make_secret: returns the one-time secret of an executor, given its name.
        use_lease: uses the lease of a launch, or returns the reason for a refusal.
    """

    def __init__(
        self,
        owner: str,
        host: str,
        limits: Limits,
        timing: Timing,
        index: ShardIndex,
        make_secret: Callable[[str], Secret],
        use_lease: UseLease = accept_lease,
    ) -> None:
        self._owner = owner
        self._host = host
        self._limits = limits
        self._timing = timing
        self._index = index
        self._make_secret = make_secret
        self._use_lease = use_lease
        self._slots: dict[str, ExecutorSlot] = {}

    def leases(self) -> tuple[LeaseInUse, ...]:
        return tuple(
            LeaseInUse(slot.lease, slot.run.name, slot.memory_mb) for slot in self._slots.values()
        )

    def leased_memory_mb(self) -> int:
        return sum(slot.memory_mb for slot in self._slots.values())

    def processes(self) -> Iterator[tuple[str, int, int]]:
        """Return every running executor: its name, process id, and requested memory."""
        running = (slot for slot in self._slots.values() if slot.pid)
        return ((slot.executor, slot.pid, slot.memory_mb) for slot in running)

    def about(self, executor: str) -> dict[str, str]:
        """Return the ids of an executor and its current work, for a log."""
        slot = self._slots.get(executor)
        if slot is None:
            return {"executor": executor}
        found = {"run": slot.run.name, "executor": executor}
        if slot.running:
            found["group"] = ",".join(str(each.group) for each in slot.running.values())
            found["attempt"] = ",".join(map(str, slot.running))
        return found

    def has_any_of(self, run: Run) -> bool:
        return any(slot.run is run for slot in self._slots.values())

    def news_of(self, run: Run) -> tuple[tuple[int, AttemptStats], ...]:
        """Return the progress of a run's attempts not yet reported."""
        slots = (slot for slot in self._slots.values() if slot.run is run)
        return tuple(each for slot in slots for each in slot.take_news())

    # --- what drivers want ---

    def launch(self, run: Run, message: Launch, now: float) -> Iterator[Action]:
        name, memory_mb = message.executor, message.memory_mb
        reason = self._limits.exceeded_by(memory_mb, len(self._slots), self.leased_memory_mb())
        if not run.is_open:
            reason = "the run's program is not here yet"
        elif not is_name(name) or name in self._slots:
            reason = "the executor's name is taken, or not a name"
        objection = (Refusal.FULL, reason) if reason else self._use_lease(message)
        if objection is not None:
            kind, text = objection
            refused = LaunchRefused(run=run.name, executor=name, refusal=kind, reason=text)
            yield ToDriver(run.peer, refused)
            return
        deadline = now + self._timing.executor_start_s
        secret = self._make_secret(name)
        self._slots[name] = ExecutorSlot(run, name, secret, message.lease, memory_mb, deadline)
        yield StartProcess(run.name, name, secret)
        yield LeasesChanged()

    def command(
        self, run: Run, message: Assign | Recall | Abort | Retire, now: float
    ) -> Iterator[Action]:
        """Handle a driver's message for an executor; no effect if the run has none of that name."""
        slot = self._slots.get(message.executor)
        if slot is None or slot.run is not run:
            return
        if isinstance(message, Assign):
            slot.queue.append(message)
            yield from self._begin_due(slot)
        elif isinstance(message, Recall):
            if slot.unqueue(message.attempt) is not None:
                yield ToDriver(run.peer, Recalled(run.name, slot.executor, message.attempt))
        elif isinstance(message, Abort):
            yield from self._abort(slot, message)
        elif slot.state is not State.KILLED:
            slot.state = State.RETIRING
            slot.is_dismissed = True
            slot.deadline = now + self._timing.shutdown_s
            slot.queue.clear()
            if slot.has_greeted:
                yield ToExecutor(slot.peer, message)
            else:
                yield from self._kill(slot, "retired before it had started")

    def _abort(self, slot: ExecutorSlot, message: Abort) -> Iterator[Action]:
        if message.attempt in slot.running:
            slot.fenced.add(message.attempt)
            yield from self._index.lose(slot.run.name, message.attempt, "the attempt was aborted")
            yield ToExecutor(slot.peer, message)
            return
        queued = slot.unqueue(message.attempt)
        if queued is not None:
            yield ToDriver(slot.run.peer, slot.aborted(queued))

    def _begin_due(self, slot: ExecutorSlot) -> Iterator[Action]:
        run = slot.run
        while (assign := slot.next_assigned()) is not None:
            slot.running[assign.attempt] = assign
            path = _segment_path(run, assign)
            self._index.open(run.name, assign.attempt, path, run.nonce, run.secret)
            yield ToExecutor(slot.peer, Begin(assign, path, run.nonce))
            yield ToDriver(run.peer, slot.started(assign))

    # --- what executors say ---

    def hear(self, peer: bytes, message: Any, payload: bytes) -> Iterator[Action]:
        """Handle an executor's message; messages of unknown executors have no effect."""
        if isinstance(message, (Commit, Progress)):
            slot = self._slot_of_peer(peer)
            if slot is None:
                return
            if isinstance(message, Progress):
                slot.keep_news(message)
            elif slot.is_writing(message.attempt):
                yield from self._index.commit(slot.run.name, message.attempt, message.blocks)
            return
        slot = self._slots.get(message.executor)
        if slot is None or slot.run.name != message.run or slot.state is State.KILLED:
            names = message.run[:ECHOED_CHARACTERS], message.executor[:ECHOED_CHARACTERS]
            yield ToExecutor(peer, Retire(*names))
            return
        if isinstance(message, ExecutorHello):
            yield from self._greet(slot, peer, message)
        elif slot.peer != peer:
            return
        elif isinstance(message, ExecutorReady):
            yield from self._ready(slot, message, payload)
        elif isinstance(message, GroupEnded):
            yield from self._group_ended(slot, message, payload)
        elif isinstance(message, Printed) or (isinstance(message, Noted) and slot.counts_note()):
            yield ToDriver(slot.run.peer, message)

    def _slot_of_peer(self, peer: bytes) -> ExecutorSlot | None:
        return next((slot for slot in self._slots.values() if slot.peer == peer), None)

    def _greet(self, slot: ExecutorSlot, peer: bytes, hello: ExecutorHello) -> Iterator[Action]:
        if slot.state is not State.LAUNCHED or not slot.secret.matches(hello.secret):
            if slot.counts_impostor():
                yield LogImpostor(peer, slot.run.name, slot.executor)
            return
        slot.peer, slot.secret = peer, Secret()
        reason = refusal(hello, "agent")
        if reason:
            yield ToDriver(slot.run.peer, slot.refused(Refusal.FATAL, reason))
            yield from self._kill(slot, "another release")
            return
        slot.state = State.GREETED
        run = slot.run
        describe = Describe(run=run.name, owner=self._owner, host=self._host, secret=run.secret)
        yield ToExecutor(peer, describe, run.description)

    def _ready(
        self, slot: ExecutorSlot, message: ExecutorReady, payload: bytes
    ) -> Iterator[Action]:
        if slot.state is not State.GREETED:
            return
        if message.refusal:
            yield ToDriver(slot.run.peer, slot.refused(Refusal.FATAL, message.refusal), payload)
            yield from self._kill(slot, "it cannot run the flow")
            return
        slot.state = State.READY
        slot.early_output = ""
        yield from self._begin_due(slot)

    def _group_ended(
        self, slot: ExecutorSlot, message: GroupEnded, payload: bytes
    ) -> Iterator[Action]:
        run, assign = slot.run, slot.running.pop(message.attempt, None)
        if assign is None:
            return
        # first: the executor begins the next group at once
        begun = list(self._begin_due(slot))
        began = None
        if len(begun) == 2:
            *begun, started = begun
            assert isinstance(started, ToDriver)
            began = started.message
        yield from begun
        if message.attempt in slot.fenced:
            slot.fenced.remove(message.attempt)
            yield ToDriver(run.peer, slot.aborted(assign)._replace(began=began))
        else:
            if message.outcome is Outcome.SEALED:
                yield from self._index.commit(run.name, message.attempt, message.blocks)
                yield from self._index.seal(run.name, message.attempt)
            else:
                reason = f"the attempt ended: {message.outcome.value}"
                yield from self._index.lose(run.name, message.attempt, reason)
            yield ToDriver(run.peer, message._replace(blocks=(), began=began), payload)

    # --- news of processes ---

    def started(self, executor: str, pid: int) -> Iterator[Action]:
        slot = self._slots.get(executor)
        if slot is not None:
            slot.pid = pid
            yield ToDriver(slot.run.peer, Launched(slot.run.name, executor, pid))

    def start_failed(self, executor: str, reason: str) -> Iterator[Action]:
        slot = self._slots.pop(executor, None)
        if slot is not None:
            text = f"cannot start a process: {reason}"
            yield ToDriver(slot.run.peer, slot.refused(Refusal.NO_PROCESS, text))
            yield LeasesChanged()

    def said(self, executor: str, stream: OutputStream, text: str) -> Iterator[Action]:
        slot = self._slots.get(executor)
        if slot is not None and not slot.run.is_closing and not slot.keep_early(text):
            yield ToDriver(
                slot.run.peer,
                Printed(run=slot.run.name, executor=executor, stream=stream, text=text),
            )

    def noted_attempts(self, *, run: str = "", executor: str = "") -> Iterator[tuple[int, str]]:
        """Yield the attempts of a run or executor that note rows, each with its segment file."""
        for name, slot in self._slots.items():
            if slot.run.name == run or name == executor:
                for number, assign in slot.running.items():
                    if assign.notes_rows:
                        yield number, _segment_path(slot.run, assign)

    def exited(self, executor: str, cause: str, last_row: str) -> tuple[Run | None, list[Action]]:
        """Handle the end of a process; return its run, and the actions."""
        slot = self._slots.pop(executor, None)
        if slot is None:
            return None, []
        return slot.run, list(self._exited(slot, slot.kill_reason or cause, last_row))

    def _exited(self, slot: ExecutorSlot, cause: str, last_row: str) -> Iterator[Action]:
        run = slot.run
        for attempt in slot.running:
            yield from self._index.lose(run.name, attempt, f"its executor died: {cause}")
        yield LeasesChanged()
        if not run.is_closing:
            yield ToDriver(run.peer, slot.exited(cause, last_row))

    # --- ends ---

    def tick(self, now: float) -> Iterator[Action]:
        """Kill executors that neither greet nor end in time."""
        for slot in list(self._slots.values()):
            if now < slot.deadline:
                continue
            if slot.state in (State.LAUNCHED, State.GREETED):
                limit = self._timing.executor_start_s
                yield from self._kill(slot, f"it did not reach its flow within {limit:g} s")
            elif slot.state is State.RETIRING and not slot.running:
                yield from self._kill(slot, "it did not end when told to")

    def kill(self, executor: str, reason: str) -> Iterator[Action]:
        """Kill an executor at once."""
        slot = self._slots.get(executor)
        if slot is not None:
            yield from self._kill(slot, reason)

    def kill_all_of(self, run: Run, reason: str) -> Iterator[Action]:
        for slot in list(self._slots.values()):
            if slot.run is run:
                yield from self._kill(slot, reason)

    def _kill(self, slot: ExecutorSlot, reason: str) -> Iterator[Action]:
        if slot.state is not State.KILLED:
            slot.state = State.KILLED
            slot.kill_reason = f"killed by its agent: {reason}"
            yield KillProcess(slot.executor)


def _segment_path(run: Run, assign: Assign) -> str:
    return os.path.join(run.directory, f"{assign.group}-{assign.attempt}.seg")
