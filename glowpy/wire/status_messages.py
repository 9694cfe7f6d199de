"""What a master says of itself to whoever may ask: `glowpy status`.

Not in `messages.MESSAGES`: only masters and those who ask them need them.
"""

from __future__ import annotations

from glowpy.ranges import Bid, Count, Megabytes, Name, OptionalSeconds, Seconds, Size
from glowpy.record import NamedTuple


class AskStatus(NamedTuple):
    """What does the master know? Answered by Status, with so many agents and runs at most."""

    most: Count


class AgentStatus(NamedTuple):
    """One agent, as it was when it was last heard of."""

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
    """One run whose driver holds executors or asks for some."""

    run: Name
    script: str  # what runs and where, as its driver says
    bid: Bid
    executors_held: Size
    executors_wanted: Size  # beyond those held
    memory_mb: Megabytes  # of each
    silent_s: OptionalSeconds  # since its driver asked last; -1: not since the master was started
    module: Name = ""  # -glow.module: what it has in common with others


class Status(NamedTuple):
    """All that the master knows, the lists as far as they were asked for."""

    up_s: Seconds
    agents_known: Size
    runs_known: Size
    executors_known: Size
    executors_busy: Size
    executors_wanted: Size
    agents: tuple[AgentStatus, ...]
    runs: tuple[RunStatus, ...]


STATUS_MESSAGES: dict[str, type] = {cls.__name__: cls for cls in (AskStatus, Status)}
