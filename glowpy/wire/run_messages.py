"""Messages within one run: between driver and agent, and between an agent and its executors.

Names: `run` is the id of one terminal call; `attempt` is one try of a task group, unique within
its run; `shard` is a shard's number within the dataset that the attempt writes.
"""

from __future__ import annotations

from enum import Enum

from glowpy.ranges import Count, Line, Megabytes, Name, OptionalSize, Seconds, Size, Unsigned32
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.shards.segment import Block
from glowpy.wire.sources import Sources


class Outcome(Enum):
    """How an attempt of a task group ended."""

    SEALED = "sealed"  # its shards are whole and stay as they are
    FAILED = "failed"  # the user's code raised: trying again would raise again
    INPUT_LOST = "input lost"  # a shard it was bound to is gone: it may run again
    ABORTED = "aborted"  # it was told to stop


class Refusal(Enum):
    """Why an executor is not launched."""

    FULL = "full"  # the agent has no room for it now
    NO_PROCESS = "no process"  # the system there would not start it: another agent may do better
    FATAL = "fatal"  # starting it elsewhere or later would not help


class Stream(Enum):
    """Where a task's print went."""

    STDOUT = "stdout"
    STDERR = "stderr"


# --- driver and agent -----------------------------------------------------------------------


class OpenRun(NamedTuple):
    """A run begins at this agent. The payload is the task's run description, opaque here."""

    run: Name
    run_number: Count
    flow: Count
    manifest: str  # program.Manifest as JSON
    program_server: str  # address of the driver's own server
    working_directory: str
    environment: dict[str, str]
    hash_seed: Unsigned32
    module: Name  # -glow.module: what this run has in common with others; empty if nothing
    secret: Secret  # of the run: readers of its shards send it
    watches_effects: bool = True  # False: -glow.rerun.effects=allow
    unsent_variables: tuple[Name, ...] = ()  # names of variables that only the driver has
    python_options: tuple[str, ...] = ()


class RunOpened(NamedTuple):
    """The program is here; executors may be launched."""

    run: Name
    files_fetched: Count
    bytes_fetched: Size


class RunRefused(NamedTuple):
    """The agent cannot serve this run, or no longer knows it."""

    run: Name
    reason: str


class Launch(NamedTuple):
    """Start one executor under a lease."""

    run: Name
    executor: Name
    lease: Name
    memory_mb: Megabytes


class Launched(NamedTuple):
    """The executor's process exists."""

    run: Name
    executor: Name
    pid: Count


class LaunchRefused(NamedTuple):
    """There will be no such executor."""

    run: Name
    executor: Name
    refusal: Refusal
    reason: str


class ExecutorExited(NamedTuple):
    """An executor's process is gone. `cause` names exit status or signal."""

    run: Name
    executor: Name
    cause: str
    expected: bool  # it was retired, or its run had ended
    log_tail: str
    greeted: bool  # it had said hello, so the script had reached its flow
    last_row: str = ""  # that it took, where it was to write that down


class Assign(NamedTuple):
    """Run one task group as one attempt, bound to exactly these input shards."""

    run: Name
    executor: Name
    group: Count
    attempt: Size
    inputs: tuple[Sources, ...]  # by input edge of the group
    is_streaming: bool = False  # it takes turns with whatever else the executor does, from now on
    notes_rows: bool = False  # the executor writes down which row it is at


class Recall(NamedTuple):
    """Give an assignment back, if its executor has not begun it."""

    run: Name
    executor: Name
    attempt: Size


class Recalled(NamedTuple):
    """The assignment was taken back: the executor will never see it."""

    run: Name
    executor: Name
    attempt: Size


class Abort(NamedTuple):
    """Stop this attempt. What it has written is never read again."""

    run: Name
    executor: Name
    attempt: Size


class Retire(NamedTuple):
    """The executor ends after what it is doing; its slot is free again."""

    run: Name
    executor: Name


class CloseRun(NamedTuple):
    """The run is over: its executors end, its shards go."""

    run: Name


class RunClosed(NamedTuple):
    """Nothing of the run is left at this agent but its program."""

    run: Name


class Beat(NamedTuple):
    """Keep-alive within a run, both ways."""

    run: Name


# --- executor and agent ---------------------------------------------------------------------


class ExecutorHello(NamedTuple):
    """An executor's first message: the script has reached its flow. Answered by Describe.

    The secret is the one that its agent has passed to the process: it counts once.
    """

    protocol: Count
    glowpy: str
    python: str
    run: Name
    executor: Name
    secret: Secret


class Describe(NamedTuple):
    """What the executor is part of. The payload is the run description of OpenRun."""

    run: Name
    owner: str  # address of this agent as shard owner, as in Sources.owners
    host: Name  # readers on this host read segment files themselves
    secret: Secret  # of the run


class ExecutorReady(NamedTuple):
    """The plans agree; the executor takes assignments. A refusal says why it cannot."""

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
    """These blocks of a running attempt exist from now on."""

    run: Name
    attempt: Size
    blocks: tuple[Block, ...]


class AttemptStats(NamedTuple):
    """What an attempt has done so far; where it has no input, rows in are those it has made."""

    rows_in: Size = 0
    bytes_in: Size = 0  # of blocks and files read
    rows_out: Size = 0  # of the group's output, stored or drained
    bytes_out: Size = 0  # of blocks written; none where rows are drained
    spilled_bytes: Size = 0  # written to temporary files
    waited_s: Seconds = 0.0  # for its inputs
    ran_s: Seconds = 0.0  # the rest of its time


class Progress(NamedTuple):
    """How far attempts have come, by number. An executor's goes to its agent now and then, an
    agent's to the driver with its beat: one message for all its executors."""

    run: Name
    attempts: tuple[tuple[int, AttemptStats], ...]


class RowReported(NamedTuple):
    """The row that the last attempt of a group works on, once per beat.

    The driver shows it if the agent is lost.
    """

    run: Name
    attempt: Size
    row: str


class GroupEnded(NamedTuple):
    """An attempt's end. To the agent with the last blocks, to the driver without.

    The payload of a FAILED end is the pickled exception, opaque to the agent.
    """

    run: Name
    executor: Name
    group: Count
    attempt: Size
    outcome: Outcome
    blocks: tuple[Block, ...] = ()
    work: AttemptStats = AttemptStats()
    reason: str = ""  # FAILED: text for the user; INPUT_LOST: which shard and why
    lost_attempt: OptionalSize = -1  # INPUT_LOST: the attempt whose shard is gone
    began: GroupStarted | None = None  # to the driver: what the executor was given next


class Printed(NamedTuple):
    """Whole lines that a task wrote to its standard output or error."""

    run: Name
    executor: Name
    stream: Stream
    text: str


class Noted(NamedTuple):
    """One line for the user, found by a task. The driver prints one note of each subject."""

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
