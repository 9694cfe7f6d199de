"""The state of one agent of a cluster within one run."""

from __future__ import annotations

from collections import deque
from enum import Enum

from glowpy.wire.messages import Lease


class State(Enum):
    """The progress of the run at an agent."""

    GREETED = "greeted"  # the run is unknown to the agent
    OPENING = "opening"  # the agent fetches the program
    OPEN = "open"  # executors can be launched
    LOST = "lost"  # the connection is closed; no message is sent or read
    CLOSED = "closed"  # the agent has removed the run


class AgentConnection:
    """An agent with leases of this run."""

    state = State.GREETED
    is_connected = False
    is_another_try = False  # the agent was lost before
    lost = ""  # the cause of the loss
    lost_at = 0.0

    def __init__(self, address: str, now: float) -> None:
        self.address = address
        self.heard_at = now  # the time of the last message
        self.leases: deque[Lease] = deque()  # launched once the run is open
