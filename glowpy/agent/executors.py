"""The state and the queue of one executor at its agent; the limits of the agent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from glowpy.agent.runs import Run
from glowpy.ranges import NOTES_OF_EXECUTOR
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.signals import signal_name
from glowpy.wire.run_messages import (
    Assign,
    AttemptStats,
    ExecutorExited,
    GroupEnded,
    GroupStarted,
    Launch,
    LaunchRefused,
    Outcome,
    Progress,
    Refusal,
)

_MOST_EARLY_CHARACTERS = 4096
_MOST_IMPOSTORS = 10  # log lines about impostors of one executor


class State(Enum):
    """The life of an executor."""

    LAUNCHED = "launched"  # its process is being started
    GREETED = "greeted"  # has reached its flow and is comparing plans
    READY = "ready"  # accepts assignments
    RETIRING = "retiring"  # ends after its current work
    KILLED = "killed"  # SIGKILL was sent; the exit has not been reported yet


class ExecutorSlot:
    """An executor in a slot of this agent."""

    pid = 0  # of its process, once started
    state = State.LAUNCHED
    peer = b""  # its connection, once greeted
    early_output = ""  # the tail of its output before READY
    is_dismissed = False  # retired: its exit, of any kind, is expected
    note_count = 0
    impostor_count = 0  # greetings with the right name and a wrong secret
    kill_reason = ""  # for messages about its exit

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
        self.secret = secret  # proves the identity of its process, once
        self.lease = lease
        self.memory_mb = memory_mb
        self.deadline = deadline  # for the greeting, or for the end once retiring
        self.queue: deque[Assign] = deque()
        self.running: dict[
            int, Assign
        ] = {}  # by attempt: streaming attempts, and at most one other
        self.fenced: set[int] = set()  # running attempts that were told to stop
        self.news: dict[
            int, AttemptStats
        ] = {}  # how far attempts have come; not told to the driver yet

    @property
    def has_greeted(self) -> bool:
        return self.peer != b""

    def is_writing(self, attempt: int) -> bool:
        """Return True if messages about this attempt count: running, and not aborted."""
        return (
            attempt in self.running
            and attempt not in self.fenced
            and self.state is not State.KILLED
        )

    def keep_news(self, progress: Progress) -> None:
        """Store the progress of attempts for the driver's next beat."""
        for attempt, work in progress.attempts:
            if self.is_writing(attempt):
                self.news[attempt] = work

    def take_news(self) -> list[tuple[int, AttemptStats]]:
        """Return the progress of attempts not yet reported."""
        news, self.news = self.news, {}
        return [(attempt, work) for attempt, work in news.items() if self.is_writing(attempt)]

    def next_assigned(self) -> Assign | None:
        """Remove the next assignment to begin from the queue: any streaming one, and one other."""
        if self.state is not State.READY:
            return None
        is_busy = any(not assign.is_streaming for assign in self.running.values())
        for assign in self.queue:
            if assign.is_streaming or not is_busy:
                self.queue.remove(assign)
                return assign
        return None

    def keep_early(self, text: str) -> bool:
        """Keep output before READY, shown only if the executor dies in that state."""
        if self.state not in (State.LAUNCHED, State.GREETED):
            return False
        self.early_output = (self.early_output + text)[-_MOST_EARLY_CHARACTERS:]
        return True

    def counts_note(self) -> bool:
        """Count a note of the executor; False beyond the limit."""
        self.note_count += 1
        return self.note_count <= NOTES_OF_EXECUTOR

    def counts_impostor(self) -> bool:
        """Count a greeting by an impostor; False beyond the limit for logging."""
        self.impostor_count += 1
        return self.impostor_count <= _MOST_IMPOSTORS

    def aborted(self, assign: Assign) -> GroupEnded:
        """Return the report of an aborted assignment."""
        name = self.run.name
        return GroupEnded(
            run=name,
            executor=self.executor,
            group=assign.group,
            attempt=assign.attempt,
            outcome=Outcome.ABORTED,
        )

    def started(self, assign: Assign) -> GroupStarted:
        """Return the report of an attempt handed to the executor."""
        return GroupStarted(
            run=self.run.name,
            executor=self.executor,
            group=assign.group,
            attempt=assign.attempt,
        )

    def exited(self, cause: str, last_row: str) -> ExecutorExited:
        """Return the report of the end of the executor's process."""
        return ExecutorExited(
            run=self.run.name,
            executor=self.executor,
            cause=cause,
            expected=self.is_dismissed,
            log_tail=self.early_output,
            greeted=self.has_greeted,
            last_row=last_row,
        )

    def refused(self, refusal: Refusal, reason: str) -> LaunchRefused:
        """Return the report of a failed launch."""
        return LaunchRefused(
            run=self.run.name, executor=self.executor, refusal=refusal, reason=reason
        )

    def unqueue(self, attempt: int) -> Assign | None:
        """Remove an assignment not yet sent to the executor."""
        for assign in self.queue:
            if assign.attempt == attempt:
                self.queue.remove(assign)
                return assign
        return None


# Uses the lease of a launch, or returns the reason for a refusal.
UseLease: TypeAlias = Callable[[Launch], "tuple[Refusal, str] | None"]


def accept_lease(_launch: Launch) -> None:
    """Without keys, no lease is signed."""


class Limits(NamedTuple):
    """The limits of an agent's executors."""

    executors: int
    memory_mb: int

    def exceeded_by(self, more_mb: int, executors: int, memory_mb: int) -> str:
        """Return the reason why one more executor exceeds a limit; empty if it fits."""
        if executors >= self.executors:
            return f"all {self.executors} executors of this agent are taken"
        if memory_mb + more_mb > self.memory_mb:
            return f"{memory_mb} of this agent's {self.memory_mb} MB are taken"
        return ""


def exit_cause(code: int) -> str:
    """Return the text for an exit code: an exit status, or minus the number of a signal."""
    if code >= 0:
        return f"exit status {code}"
    return f"signal {signal_name(-code) or -code}"
