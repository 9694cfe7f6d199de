"""Attempts of task groups, and the executors that hold them."""

from __future__ import annotations

from collections import deque
from enum import Enum

from glowpy.driver.scheduling.free_executors import Agent


class State(Enum):
    """The state of a task group."""

    WAITING = "waiting"  # for inputs
    READY = "ready"  # all inputs are sealed
    ASSIGNED = "assigned"  # to an executor
    SEALED = "sealed"  # its shards are readable


class Attempt:
    """One attempt of a task group; the number is unique within the run."""

    __slots__ = (
        "agent",
        "executor",
        "group",
        "is_lost",
        "is_pipelined",
        "is_recalled",
        "is_streaming",
        "number",
        "started_at",
    )

    def __init__(
        self, number: int, group: int, executor: str, agent: Agent, *, is_pipelined: bool
    ) -> None:
        self.number = number
        self.group = group
        self.executor = executor
        self.agent = agent
        self.is_pipelined = is_pipelined  # some of its inputs are still being written
        self.is_streaming = False  # takes turns with other attempts of its executor
        self.is_recalled = False  # recalled from its executor's queue
        self.is_lost = False  # sealed, but the shards were lost with their agent
        self.started_at: float | None = None  # monotonic seconds

    @property
    def is_started(self) -> bool:
        return self.started_at is not None


class Executor:
    """An executor and its attempts: the first is running, the others are queued.

    Streaming attempts run beside the first.
    """

    __slots__ = ("agent", "held", "is_leaving", "name", "streaming")

    def __init__(self, name: str, agent: Agent) -> None:
        self.name = name
        self.agent = agent
        self.held: deque[Attempt] = deque()
        self.streaming: list[Attempt] = []
        self.is_leaving = False  # gets no more work, and is retired once it holds none

    @property
    def attempts(self) -> list[Attempt]:
        """All attempts held by the executor."""
        return [*self.held, *self.streaming]
