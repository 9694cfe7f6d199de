"""One executor as its agent sees it: its state, its queue of assignments; and how many may be."""

from __future__ import annotations

from collections import deque
from enum import Enum

from glowpy.agent.runs import Run
from glowpy.ranges import NOTES_OF_EXECUTOR
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.signals import signal_name
from glowpy.wire.run_messages import (
    Assign,
    AttemptStats,
    GroupEnded,
    LaunchRefused,
    Outcome,
    Progress,
    Refusal,
)

_MOST_EARLY_CHARACTERS = 4096
_MOST_IMPOSTORS = 10  # of one executor, more are not logged


class State(Enum):
    """The life of an executor."""

    LAUNCHED = "launched"  # its process has been asked for
    GREETED = "greeted"  # it has reached its flow and is comparing plans
    READY = "ready"  # it takes assignments
    RETIRING = "retiring"  # told to end after what it is doing
    KILLED = "killed"  # its process has been sent SIGKILL; its exit has not been seen yet


class ExecutorSlot:
    """An executor that occupies a slot of this agent."""

    pid = 0  # of its process, once started
    state = State.LAUNCHED
    peer = b""  # its connection, once greeted
    early_output = ""  # the last that it has written before it was ready
    is_dismissed = False  # retired: that it ends, however it does, is no news
    note_count = 0
    impostor_count = 0  # greetings in its name, but not of its process
    kill_reason = ""  # why the agent killed it, for whoever asks how it died

    def __init__(
        self,
        run: Run,
        executor: str,
        secret: Secret,
        lease: str,
        memory_mb: int,
        deadline: float,
    ) -> None:
        self.run = run
        self.executor = executor
        self.secret = secret  # by which its process proves itself, once
        self.lease = lease
        self.memory_mb = memory_mb
        self.deadline = deadline  # for its greeting, or for its end once retiring
        self.queue: deque[Assign] = deque()
        self.running: dict[int, Assign] = {}  # by attempt: live ones, and one other at most
        self.fenced: set[int] = set()  # of the running ones: told to stop
        self.news: dict[
            int, AttemptStats
        ] = {}  # how far attempts have come; not told to the driver yet

    @property
    def has_greeted(self) -> bool:
        return self.peer != b""

    def is_writing(self, attempt: int) -> bool:
        """What it says of this attempt counts: it is running, and nobody has stopped it."""
        return (
            attempt in self.running
            and attempt not in self.fenced
            and self.state is not State.KILLED
        )

    def keep_news(self, progress: Progress) -> None:
        """How far its attempt has come: told to the driver with the next beat."""
        for attempt, work in progress.attempts:
            if self.is_writing(attempt):
                self.news[attempt] = work

    def take_news(self) -> list[tuple[int, AttemptStats]]:
        """How far its attempts have come, where that has not been told yet."""
        news, self.news = self.news, {}
        return [(attempt, work) for attempt, work in news.items() if self.is_writing(attempt)]

    def next_assigned(self) -> Assign | None:
        """Take what is to be begun now out of the queue: whatever is live, and one other."""
        if self.state is not State.READY:
            return None
        is_busy = any(not assign.is_streaming for assign in self.running.values())
        for assign in self.queue:
            if assign.is_streaming or not is_busy:
                self.queue.remove(assign)
                return assign
        return None

    def keep_early(self, text: str) -> bool:
        """What it writes before it is ready is for nobody, unless it dies there."""
        if self.state not in (State.LAUNCHED, State.GREETED):
            return False
        self.early_output = (self.early_output + text)[-_MOST_EARLY_CHARACTERS:]
        return True

    def counts_note(self) -> bool:
        """Count a note of the executor; False if it is one too many."""
        self.note_count += 1
        return self.note_count <= NOTES_OF_EXECUTOR

    def counts_impostor(self) -> bool:
        """Count a greeting that is not of its process; False if there were too many to log."""
        self.impostor_count += 1
        return self.impostor_count <= _MOST_IMPOSTORS

    def aborted(self, assign: Assign) -> GroupEnded:
        """How its agent reports an assignment that nobody wants any more."""
        name = self.run.name
        return GroupEnded(name, self.executor, assign.group, assign.attempt, Outcome.ABORTED)

    def refused(self, refusal: Refusal, reason: str) -> LaunchRefused:
        """How its agent reports that this one will not do what it was launched for."""
        return LaunchRefused(self.run.name, self.executor, refusal, reason)

    def unqueue(self, attempt: int) -> Assign | None:
        """Take back an assignment that the executor has not seen."""
        for assign in self.queue:
            if assign.attempt == attempt:
                self.queue.remove(assign)
                return assign
        return None


class Limits(NamedTuple):
    """What an agent gives away at most."""

    executors: int
    memory_mb: int

    def exceeded_by(self, more_mb: int, executors: int, memory_mb: int) -> str:
        """In words, why one more executor is too many beside those there are; empty if it fits."""
        if executors >= self.executors:
            return f"all {self.executors} executors of this agent are taken"
        if memory_mb + more_mb > self.memory_mb:
            return f"{memory_mb} of this agent's {self.memory_mb} MB are taken"
        return ""


def exit_cause(code: int) -> str:
    """In words, how a process ended: its exit status, or minus the number of a signal."""
    if code >= 0:
        return f"exit status {code}"
    return f"signal {signal_name(-code) or -code}"
