"""The status of a master, for `glowpy status`.

Not in `messages.MESSAGES`: needed only by masters and clients that ask for the status.
"""

from __future__ import annotations

from glowpy.ranges import Bid, Count, Megabytes, Name, OptionalSeconds, Seconds, Size
from glowpy.record import NamedTuple


class AskStatus(NamedTuple):
    """Ask for the status, with at most `most` agents and runs."""

    most: Count


class AgentStatus(NamedTuple):
    """One agent, as of its last heartbeat."""

    agent: Name
    address: Name
    data_center: Name
    rack: Name
    cores: Count
    cpu_level: Count
    executor_limit: Count
    executors_busy: Size  # in use or granted; more than the limit where it was lowered
    memory_mb: Megabytes
    memory_used_mb: Size
    silent_s: OptionalSeconds  # since its last heartbeat
    is_late: bool  # a heartbeat is missing


class RunStatus(NamedTuple):
    """One run whose driver holds or wants executors."""

    run: Name
    script: str  # script and host, as sent by the driver
    bid: Bid
    executors_held: Size
    executors_wanted: Size  # beyond those held
    memory_mb: Megabytes  # of each
    silent_s: OptionalSeconds  # since its driver's last ask; -1: none since the start of the master
    module: Name = ""  # -glow.module: shared by related runs


class Status(NamedTuple):
    """The state of the cluster; the lists are cut to the requested length."""

    up_s: Seconds
    agents_known: Size
    runs_known: Size
    executors_known: Size
    executors_busy: Size
    executors_wanted: Size
    agents: tuple[AgentStatus, ...]
    runs: tuple[RunStatus, ...]


STATUS_MESSAGES: dict[str, type] = {cls.__name__: cls for cls in (AskStatus, Status)}
