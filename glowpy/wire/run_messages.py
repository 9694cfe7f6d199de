"""Messages within one run: between driver and agent, and between an agent and its executors.

Names: `run` is the id of one terminal call; `attempt` is one try of a task group, unique within
its run; `shard` is a shard's number within the dataset that the attempt writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from glowpy.shards.segment import Block


class Outcome(Enum):
    """How an attempt of a task group ended."""

    SEALED = "sealed"  # its shards are whole and stay as they are
    FAILED = "failed"  # the user's code raised: trying again would raise again
    INPUT_LOST = "input lost"  # a shard it was bound to is gone: it may run again
    ABORTED = "aborted"  # it was told to stop


class Stream(Enum):
    """Where a task's print went."""

    STDOUT = "stdout"
    STDERR = "stderr"


# --- driver and agent -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run begins at this agent. The payload is the task's run description, opaque here."""

    run: str
    run_number: int
    flow: int
    manifest: str  # program.Manifest as JSON
    program_server: str  # address of the driver's own server
    working_directory: str
    environment: dict[str, str]
    hash_seed: int


@dataclass(frozen=True, slots=True)
class RunOpened:
    """The program is here; executors may be launched."""

    run: str
    files_fetched: int
    bytes_fetched: int


@dataclass(frozen=True, slots=True)
class RunRefused:
    """The agent cannot serve this run, or no longer knows it."""

    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Launch:
    """Start one executor under a lease."""

    run: str
    executor: str
    lease: str
    memory_mb: int
    first_group: int


@dataclass(frozen=True, slots=True)
class Launched:
    """The executor's process exists."""

    run: str
    executor: str
    pid: int


@dataclass(frozen=True, slots=True)
class LaunchRefused:
    """The agent has no room for this executor, or cannot start it."""

    run: str
    executor: str
    reason: str
    fatal: bool  # starting it elsewhere or later would not help


@dataclass(frozen=True, slots=True)
class ExecutorExited:
    """An executor's process is gone. `cause` names exit status or signal."""

    run: str
    executor: str
    cause: str
    expected: bool  # it was retired, or its run had ended
    log_tail: str
    greeted: bool  # it had said hello, so the script had reached its flow


@dataclass(frozen=True, slots=True)
class ShardSource:
    """Where one shard of a task's input is: the attempt that wrote it and who serves it."""

    owner: int  # index in Assign.owners
    attempt: int
    shard: int


@dataclass(frozen=True, slots=True)
class Assign:
    """Run one task group as one attempt, bound to exactly these input shards."""

    run: str
    executor: str
    group: int
    attempt: int
    owners: tuple[str, ...]  # addresses of shard owners
    inputs: tuple[tuple[ShardSource, ...], ...]  # by input edge of the group, in shard order


@dataclass(frozen=True, slots=True)
class Recall:
    """Give an assignment back, if its executor has not begun it."""

    run: str
    executor: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """The assignment was taken back: the executor will never see it."""

    run: str
    executor: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop this attempt. What it has written is never read again."""

    run: str
    executor: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Retire:
    """The executor ends after what it is doing; its slot is free again."""

    run: str
    executor: str


@dataclass(frozen=True, slots=True)
class CloseRun:
    """The run is over: its executors end, its shards go."""

    run: str


@dataclass(frozen=True, slots=True)
class RunClosed:
    """Nothing of the run is left at this agent but its program."""

    run: str


@dataclass(frozen=True, slots=True)
class Beat:
    """Keep-alive within a run, both ways."""

    run: str


# --- executor and agent ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExecutorHello:
    """An executor's first message: the script has reached its flow. Answered by Describe."""

    protocol: int
    glowpy: str
    python: str
    run: str
    executor: str


@dataclass(frozen=True, slots=True)
class Describe:
    """What the executor is part of. The payload is the run description of OpenRun."""

    run: str
    owner: str  # this agent's address as shard owner, as it stands in Assign.owners
    host: str  # readers on this host read segment files themselves


@dataclass(frozen=True, slots=True)
class ExecutorReady:
    """The plans agree; the executor takes assignments. A refusal says why it cannot."""

    run: str
    executor: str
    refusal: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Run this assignment now; write its shards to this segment file."""

    assign: Assign
    segment_path: str
    nonce: bytes


@dataclass(frozen=True, slots=True)
class GroupStarted:
    """The agent has handed the attempt to its executor."""

    run: str
    executor: str
    group: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Commit:
    """These blocks of a running attempt exist from now on."""

    run: str
    attempt: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class GroupEnded:
    """An attempt's end. To the agent with the last blocks, to the driver without.

    The payload of a FAILED end is the pickled exception, opaque to the agent.
    """

    run: str
    executor: str
    group: int
    attempt: int
    outcome: Outcome
    blocks: tuple[Block, ...] = ()
    row_count: int = 0  # rows of the group's output, stored or drained
    rows_in: int = 0
    bytes_stored: int = 0
    reason: str = ""  # FAILED: text for the user; INPUT_LOST: which shard and why
    lost_attempt: int = -1  # INPUT_LOST: the attempt whose shard is gone


@dataclass(frozen=True, slots=True)
class Printed:
    """Whole lines that a task wrote to its standard output or error."""

    run: str
    executor: str
    stream: Stream
    text: str


RUN_MESSAGES: tuple[type, ...] = (
    OpenRun,
    RunOpened,
    RunRefused,
    Launch,
    Launched,
    LaunchRefused,
    ExecutorExited,
    Assign,
    Recall,
    Recalled,
    Abort,
    Retire,
    CloseRun,
    RunClosed,
    Beat,
    ExecutorHello,
    Describe,
    ExecutorReady,
    Begin,
    GroupStarted,
    Commit,
    GroupEnded,
    Printed,
)
