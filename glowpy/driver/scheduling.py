"""What the scheduler is told, and what it wants done: events and actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

# --- events ---


@dataclass(frozen=True, slots=True)
class ExecutorJoined:
    """An executor is there, or on its way; it may be given assignments at once."""

    executor: str
    agent: str


@dataclass(frozen=True, slots=True)
class ExecutorLeft:
    """An executor is gone, with whatever it was doing. Its sealed shards are its agent's."""

    executor: str
    cause: str


@dataclass(frozen=True, slots=True)
class AgentLost:
    """An agent is gone with its executors; its shards are never read again."""

    agent: str
    cause: str


@dataclass(frozen=True, slots=True)
class GroupStarted:
    """An executor has begun an attempt."""

    attempt: int


@dataclass(frozen=True, slots=True)
class GroupSealed:
    """An attempt is whole."""

    attempt: int
    row_count: int


@dataclass(frozen=True, slots=True)
class GroupFailed:
    """The user's code raised in an attempt: another would fail as well."""

    attempt: int
    error: Exception


@dataclass(frozen=True, slots=True)
class InputLost:
    """An attempt ended because it could not read what another had written."""

    attempt: int
    lost_attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class GroupAborted:
    """An attempt has stopped as it was told."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """A queued assignment came back before its executor saw it."""

    executor: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ShardLost:
    """The driver itself could not read what a sealed attempt has written."""

    attempt: int


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
    | ShardLost
)

# --- actions ---


@dataclass(frozen=True, slots=True)
class Demand:
    """So many executors are wanted beyond those held; replaces the demand before."""

    count: int


@dataclass(frozen=True, slots=True)
class Assign:
    """Give a group to an executor; `inputs`: (owner, attempt, shard), by edge, in shard order."""

    executor: str
    group: int
    attempt: int
    inputs: tuple[tuple[tuple[str, int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask for a queued assignment back."""

    executor: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop an attempt; it is fenced already."""

    executor: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Nothing will be assigned to this executor any more."""

    executor: str


@dataclass(frozen=True, slots=True)
class GroupDone:
    """A group's shards are sealed at `owner`."""

    group: int
    attempt: int
    owner: str


@dataclass(frozen=True, slots=True)
class GroupUndone:
    """A sealed group's shards are gone; it will be done again."""

    group: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Every group is sealed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The run cannot succeed."""

    error: Exception


Action: TypeAlias = (
    Demand | Assign | Recall | Abort | Retire | GroupDone | GroupUndone | Finished | Failed
)
