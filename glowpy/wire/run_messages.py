"""Messages within one run: between driver and agent, and between an agent and its executors.

Names: `run` is the id of one terminal call; `attempt` is one execution of a task group, unique
within its run; `shard` is a shard's number within the dataset written by the attempt.
"""

from __future__ import annotations

from enum import Enum

from glowpy.ranges import Count, Line, Megabytes, Name, OptionalSize, Seconds, Size, Unsigned32
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.shards.segment import Block
from glowpy.wire.shard_locations import ShardLocations


class Outcome(Enum):
    """The outcome of an attempt of a task group."""

    SEALED = "sealed"  # its shards are complete and immutable
    FAILED = "failed"  # the user's code raised, and would raise again
    INPUT_LOST = "input lost"  # one of its input shards is lost: the group may run again
    ABORTED = "aborted"  # stopped on request


class Refusal(Enum):
    """The reason for not launching an executor."""

    FULL = "full"  # the agent has no room now
    NO_PROCESS = "no process"  # the system did not start a process: another agent may succeed
    FATAL = "fatal"  # no other agent or later launch would help


class OutputStream(Enum):
    """The target of printed output."""

    STDOUT = "stdout"
    STDERR = "stderr"


# --- driver and agent -----------------------------------------------------------------------


class OpenRun(NamedTuple):
    """Begin a run at an agent. The payload is the run description, opaque here."""

    run: Name
    run_number: Count
    flow: Count
    manifest: str  # program.Manifest as JSON
    program_server: str  # address of the driver's own server
    working_directory: str
    environment: dict[str, str]
    hash_seed: Unsigned32
    module: Name  # -glow.module: shared by related runs; empty if none
    secret: Secret  # of the run, sent by readers of its shards
    watches_effects: bool = True  # False: -glow.rerun.effects=allow
    unsent_variables: tuple[Name, ...] = ()  # variables of the driver that were not sent
    python_options: tuple[str, ...] = ()


class RunOpened(NamedTuple):
    """The program has arrived; executors may be launched."""

    run: Name
    files_fetched: Count
    bytes_fetched: Size


class RunRefused(NamedTuple):
    """The agent refuses this run, or no longer knows it."""

    run: Name
    reason: str


class Launch(NamedTuple):
    """Start one executor under a lease."""

    run: Name
    executor: Name
    lease: Name
    memory_mb: Megabytes
    issued_at_s: Seconds = 0.0  # this and the next two: copied from the lease
    duration_s: Seconds = 0.0
    signature: bytes = b""


class Launched(NamedTuple):
    """The executor's process has started."""

    run: Name
    executor: Name
    pid: Count


class LaunchRefused(NamedTuple):
    """The executor will not be launched."""

    run: Name
    executor: Name
    refusal: Refusal
    reason: str


class ExecutorExited(NamedTuple):
    """An executor's process has ended. `cause` names exit status or signal."""

    run: Name
    executor: Name
    cause: str
    expected: bool  # retired, or its run had ended
    log_tail: str
    greeted: bool  # after its hello: the script had reached its flow
    last_row: str = ""  # its current row, where recorded


class Assign(NamedTuple):
    """Run one task group as one attempt, bound to exactly these input shards."""

    run: Name
    executor: Name
    group: Count
    attempt: Size
    inputs: tuple[ShardLocations, ...]  # by input edge of the group
    is_streaming: bool = False  # takes turns with the executor's other attempts
    notes_rows: bool = False  # the executor records its current row


class Recall(NamedTuple):
    """Take back an assignment, unless its executor has begun."""

    run: Name
    executor: Name
    attempt: Size


class Recalled(NamedTuple):
    """The assignment was taken back, unseen by the executor."""

    run: Name
    executor: Name
    attempt: Size


class Abort(NamedTuple):
    """Stop this attempt. Its shards are never read again."""

    run: Name
    executor: Name
    attempt: Size


class Retire(NamedTuple):
    """End the executor after its current work, which frees its slot."""

    run: Name
    executor: Name


class CloseRun(NamedTuple):
    """End the run: its executors end, its shards are deleted."""

    run: Name


class RunClosed(NamedTuple):
    """The agent has removed everything of the run but its program."""

    run: Name


class Beat(NamedTuple):
    """Keep-alive within a run, both ways."""

    run: Name


# --- executor and agent ---------------------------------------------------------------------


class ExecutorHello(NamedTuple):
    """An executor's first message: the script has reached its flow. Answered by Describe.

    The secret was passed to the process by its agent, and is valid once.
    """

    protocol: Count
    glowpy: str
    python: str
    run: Name
    executor: Name
    secret: Secret


class Describe(NamedTuple):
    """Describe the run to an executor. The payload is the run description of OpenRun."""

    run: Name
    owner: str  # address of this agent as shard owner, as in ShardLocations.owners
    host: Name  # readers on this host read segment files directly
    secret: Secret  # of the run


class ExecutorReady(NamedTuple):
    """The plans agree, and the executor takes assignments. A refusal gives the difference."""

    run: Name
    executor: Name
    refusal: str


class Begin(NamedTuple):
    """Run this assignment now; write its shards to this segment file."""

    assign: Assign
    segment_path: str
    nonce: bytes


class GroupStarted(NamedTuple):
    """The agent has handed the attempt to its executor."""

    run: Name
    executor: Name
    group: Count
    attempt: Size


class Commit(NamedTuple):
    """Publish blocks of a running attempt to readers."""

    run: Name
    attempt: Size
    blocks: tuple[Block, ...]


class AttemptStats(NamedTuple):
    """The work of an attempt so far; without input, rows in are the rows of its source."""

    rows_in: Size = 0
    bytes_in: Size = 0  # of blocks and files
    rows_out: Size = 0  # output of the group, stored or drained
    bytes_out: Size = 0  # of stored blocks; 0 where rows are drained
    spilled_bytes: Size = 0  # written to temporary files
    waited_s: Seconds = 0.0  # for its inputs
    ran_s: Seconds = 0.0  # the rest of the running time


class Progress(NamedTuple):
    """The statistics of running attempts, by number.

    Executors send it to their agent at intervals; an agent sends one for all its executors with its
    beat.
    """

    run: Name
    attempts: tuple[tuple[int, AttemptStats], ...]


class RowReported(NamedTuple):
    """The current row of a group's last attempt, once per beat.

    The driver shows the row if the agent is lost.
    """

    run: Name
    attempt: Size
    row: str


class GroupEnded(NamedTuple):
    """The end of an attempt. To the agent with the last blocks, to the driver without.

    The payload of a FAILED end is the pickled exception, opaque to the agent.
    """

    run: Name
    executor: Name
    group: Count
    attempt: Size
    outcome: Outcome
    blocks: tuple[Block, ...] = ()
    work: AttemptStats = AttemptStats()
    reason: str = ""  # FAILED: text for the user; INPUT_LOST: the lost shard, and why
    lost_attempt: OptionalSize = -1  # INPUT_LOST: the attempt that wrote the lost shard
    began: GroupStarted | None = None  # to the driver: the executor's next attempt


class Printed(NamedTuple):
    """Whole lines written by a task to its standard output or error."""

    run: Name
    executor: Name
    stream: OutputStream
    text: str


class Noted(NamedTuple):
    """One line for the user, from a task. The driver prints one note of each subject."""

    run: Name
    executor: Name
    subject: Line
    text: Line


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
    Progress,
    RowReported,
    GroupEnded,
    Printed,
    Noted,
)
