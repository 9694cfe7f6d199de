"""What the scheduler is told, and what it wants done: events and actions."""

from __future__ import annotations

from typing import TypeAlias

from glowpy.locality import Place
from glowpy.record import NamedTuple
from glowpy.wire.sources import Sources

# --- events ---


class ExecutorJoined(NamedTuple):
    """An executor is there, or on its way; it may be given assignments at once."""

    executor: str
    agent: str
    place: Place = Place()
    cpu_level: int = 1


class ExecutorLeft(NamedTuple):
    """An executor is gone, with whatever it was doing. Its sealed shards are its agent's."""

    executor: str
    cause: str
    last_row: str = ""  # that its attempt took in, where that is known


class AgentLost(NamedTuple):
    """An agent is gone with its executors; its shards are never read again."""

    agent: str
    cause: str
    last_rows: tuple[tuple[int, str], ...] = ()  # by attempt, those that were reported


class GroupStarted(NamedTuple):
    """An executor has begun an attempt."""

    attempt: int


class GroupSealed(NamedTuple):
    """An attempt is whole."""

    attempt: int


class GroupFailed(NamedTuple):
    """The user's code raised in an attempt: another would fail as well."""

    attempt: int
    error: Exception


class InputLost(NamedTuple):
    """An attempt ended because it could not read what another had written."""

    attempt: int
    lost_attempt: int
    reason: str


class GroupAborted(NamedTuple):
    """An attempt has stopped as it was told."""

    attempt: int


class Recalled(NamedTuple):
    """A queued assignment came back before its executor saw it."""

    executor: str
    attempt: int


class ShareChanged(NamedTuple):
    """So many executors may this run hold, for others want some, too."""

    executor_count: int


class ShardLost(NamedTuple):
    """The driver itself could not read what a sealed attempt has written."""

    attempt: int
    reason: str = ""


class TimePassed(NamedTuple):
    """Nothing has happened for a while: somebody may have become slow."""


class FleetSettled(NamedTuple):
    """No executor is on its way: those that are there are all for now."""


class GroupCollected(NamedTuple):
    """The driver has all rows of a sealed group, in its result or its channels."""

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
    """So many executors are wanted beyond those held; replaces the demand before."""

    executor_count: int


class Assign(NamedTuple):
    """Give a group to an executor."""

    executor: str
    group: int
    attempt: int
    inputs: tuple[Sources, ...]  # by edge
    is_streaming: bool = False  # at once, beside whatever else the executor does
    is_last_try: bool = False  # another death would end the run


class Recall(NamedTuple):
    """Ask for a queued assignment back."""

    executor: str
    attempt: int


class Abort(NamedTuple):
    """Stop an attempt; it is fenced already."""

    executor: str
    attempt: int
    reason: str


class Retire(NamedTuple):
    """Nothing will be assigned to this executor any more."""

    executor: str


class GroupDone(NamedTuple):
    """A group's shards are sealed at `owner`."""

    group: int
    attempt: int
    owner: str


class GroupUndone(NamedTuple):
    """A sealed group's shards are gone; it will be done again."""

    group: int


class Finished(NamedTuple):
    """Every group is sealed."""


class Failed(NamedTuple):
    """The run cannot succeed."""

    error: Exception


Action: TypeAlias = (
    Demand | Assign | Recall | Abort | Retire | GroupDone | GroupUndone | Finished | Failed
)
