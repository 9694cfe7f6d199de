"""Events and actions of the scheduler."""

from __future__ import annotations

from typing import TypeAlias

from glowpy.locality import Place
from glowpy.record import NamedTuple
from glowpy.wire.shard_locations import ShardLocations

# --- events ---


class ExecutorJoined(NamedTuple):
    """An executor exists or is starting; it can be assigned groups at once."""

    executor: str
    agent: str
    place: Place = Place()
    cpu_level: int = 1


class ExecutorLeft(NamedTuple):
    """An executor has ended, with its unfinished attempts. Sealed shards stay at the agent."""

    executor: str
    cause: str
    last_row: str = ""  # last row read by its attempt, if known


class AgentLost(NamedTuple):
    """An agent is lost with its executors; the shards there are never read again."""

    agent: str
    cause: str
    last_rows: tuple[tuple[int, str], ...] = ()  # last rows read, by attempt, as far as reported


class GroupStarted(NamedTuple):
    """An executor has started an attempt."""

    attempt: int


class GroupSealed(NamedTuple):
    """An attempt is complete."""

    attempt: int


class GroupFailed(NamedTuple):
    """The user's code raised in an attempt; another attempt would fail as well."""

    attempt: int
    error: Exception


class InputLost(NamedTuple):
    """An attempt ended because it could not read the output of another attempt."""

    attempt: int
    lost_attempt: int
    reason: str


class GroupAborted(NamedTuple):
    """An attempt has stopped after an Abort."""

    attempt: int


class Recalled(NamedTuple):
    """A queued assignment was recalled before the executor received it."""

    executor: str
    attempt: int


class ShareChanged(NamedTuple):
    """The run may hold this number of executors while other runs need some."""

    executor_count: int


class ShardLost(NamedTuple):
    """The driver itself could not read the output of a sealed attempt."""

    attempt: int
    reason: str = ""


class TimePassed(NamedTuple):
    """No event for a while; running attempts may have become slow."""


class FleetSettled(NamedTuple):
    """No executor is starting: the present executors are all for now."""


class GroupCollected(NamedTuple):
    """The driver has read all rows of a sealed group, for its result or its channels."""

    group: int


Event: TypeAlias = (
    ExecutorJoined
    | ExecutorLeft
    | AgentLost
    | GroupStarted
    | GroupSealed
    | GroupFailed
    | InputLost
    | GroupAborted
    | Recalled
    | ShareChanged
    | ShardLost
    | TimePassed
    | FleetSettled
    | GroupCollected
)

# --- actions ---


class Demand(NamedTuple):
    """The number of executors wanted beyond those held; replaces the last demand."""

    executor_count: int


class Assign(NamedTuple):
    """Assign a group to an executor."""

    executor: str
    group: int
    attempt: int
    inputs: tuple[ShardLocations, ...]  # by input edge
    is_streaming: bool = False  # starts at once, beside the executor's other attempts
    is_last_attempt: bool = False  # another death of its executor would end the run


class Recall(NamedTuple):
    """Recall a queued assignment."""

    executor: str
    attempt: int


class Abort(NamedTuple):
    """Stop an attempt, which is fenced already."""

    executor: str
    attempt: int
    reason: str


class Retire(NamedTuple):
    """End an executor, which gets no further assignments."""

    executor: str


class GroupDone(NamedTuple):
    """A group is sealed; `owner` holds its shards."""

    group: int
    attempt: int
    owner: str


class GroupUndone(NamedTuple):
    """The shards of a sealed group are lost; the group runs again."""

    group: int


class Finished(NamedTuple):
    """Every group is sealed."""


class Failed(NamedTuple):
    """The run cannot succeed."""

    error: Exception


Action: TypeAlias = (
    Demand | Assign | Recall | Abort | Retire | GroupDone | GroupUndone | Finished | Failed
)
