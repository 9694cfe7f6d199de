"""One executor as its agent sees it: its state, its queue of assignments."""

from __future__ import annotations

import signal
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from glowpy.wire.messages import Assign


class State(Enum):
    """The life of an executor."""

    LAUNCHED = "launched"  # its process has been asked for
    GREETED = "greeted"  # it has reached its flow and is comparing plans
    READY = "ready"  # it takes assignments
    RETIRING = "retiring"  # told to end after what it is doing
    KILLED = "killed"  # its process has been sent SIGKILL; its exit has not been seen yet


@dataclass(slots=True)
class ExecutorSlot:
    """An executor that occupies a slot of this agent."""

    run: str
    executor: str
    lease: str
    memory_mb: int
    deadline: float  # for its greeting, or for its end once retiring
    state: State = State.LAUNCHED
    peer: bytes = b""  # its connection, once greeted
    current: Assign | None = None
    is_current_aborted: bool = False
    queue: deque[Assign] = field(default_factory=deque)
    kill_reason: str = ""  # why the agent killed it, for whoever asks how it died

    @property
    def has_greeted(self) -> bool:
        return self.peer != b""


def exit_cause(code: int) -> str:
    """In words, how a process ended: its exit status, or minus the number of a signal."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
