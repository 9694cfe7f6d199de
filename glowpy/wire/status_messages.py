"""What a master says of itself to whoever may ask: `glowpy status`.

Not in `messages.MESSAGES`: only masters and those who ask them need them.
"""

from __future__ import annotations

from glowpy.record import NamedTuple


class AskStatus(NamedTuple):
    """What does the master know? Answered by Status, with so many agents and runs at most."""

    most: int


class AgentStatus(NamedTuple):
    """One agent, as it was when it was last heard of."""

    agent: str
    address: str
    data_center: str
    rack: str
    cores: int
    cpu_level: int
    executor_limit: int
    executors_busy: int  # in use or granted; more than the limit where it was lowered
    memory_mb: int
    memory_used_mb: int
    silent_s: float  # since its last heartbeat


class RunStatus(NamedTuple):
    """One run whose driver holds executors or asks for some."""

    run: str
    script: str  # what runs and where, as its driver says
    bid: float
    executors_held: int
    executors_wanted: int  # beyond those held
    memory_mb: int  # of each
    silent_s: float  # since its driver asked last; -1: not since the master was started
    module: str = ""  # -glow.module: what it has in common with others


class Status(NamedTuple):
    """All that the master knows, the lists as far as they were asked for."""

    up_s: float
    agents_known: int
    runs_known: int
    executors_known: int
    executors_busy: int
    executors_wanted: int
    agents: tuple[AgentStatus, ...]
    runs: tuple[RunStatus, ...]


STATUS_MESSAGES: dict[str, type] = {cls.__name__: cls for cls in (AskStatus, Status)}
