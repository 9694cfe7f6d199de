"""The messages of `glowpy status`: the request, and the answer of a master.

Not in `messages.MESSAGES`: only masters and status clients need these messages.
"""

from __future__ import annotations

from glowpy.ranges import Bid, Count, Megabytes, Name, OptionalSeconds, Seconds, Size
from glowpy.record import NamedTuple


class AskStatus(NamedTuple):
    """Request the status, with at most `most` agents and at most `most` runs."""

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
    executors_busy: Size  # in use or granted; may exceed a limit that was lowered
    memory_mb: Megabytes
    memory_used_mb: Size
    silent_s: OptionalSeconds  # since its last heartbeat
    is_late: bool  # its next heartbeat is overdue


class RunStatus(NamedTuple):
    """One run whose driver holds or wants executors."""

    run: Name
    script: str  # script and host, as sent by the driver
    bid: Bid
    executors_held: Size
    executors_wanted: Size  # requested, in addition to `executors_held`
    memory_mb: Megabytes  # of each executor
    silent_s: OptionalSeconds  # since its driver's last request; -1: none since the master started
    module: Name = ""  # -glow.module: shared by related runs


class Status(NamedTuple):
    """The state of the cluster. The request limits `agents` and `runs`; the counts are of all."""

    up_s: Seconds
    agents_known: Size
    runs_known: Size
    executors_known: Size
    executors_busy: Size
    executors_wanted: Size
    agents: tuple[AgentStatus, ...]
    runs: tuple[RunStatus, ...]


STATUS_MESSAGES: dict[str, type] = {cls.__name__: cls for cls in (AskStatus, Status)}
