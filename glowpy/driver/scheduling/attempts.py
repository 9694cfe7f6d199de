"""Tries of task groups, and the executors that hold them."""

from __future__ import annotations

from collections import deque
from enum import Enum

from glowpy.driver.scheduling.supply import Agent


class State(Enum):
    """Of a task group."""

    WAITING = "waiting"  # for inputs
    READY = "ready"  # all inputs are sealed
    ASSIGNED = "assigned"  # to an executor
    SEALED = "sealed"  # its shards can be read


class Attempt:
    """One try of a task group; its number is unique within the run."""

    __slots__ = (
        "agent",
        "executor",
        "group",
        "is_early",
        "is_lost",
        "is_recalled",
        "is_streaming",
        "number",
        "started_at",
    )

    def __init__(
        self, number: int, group: int, executor: str, agent: Agent, *, is_early: bool
    ) -> None:
        self.number = number
        self.group = group
        self.executor = executor
        self.agent = agent
        self.is_early = is_early  # some of what it reads is still being written
        self.is_streaming = False  # it takes turns with whatever else its executor does
        self.is_recalled = False  # it has been asked back from its executor's queue
        self.is_lost = False  # it was sealed, and its shards went with their agent
        self.started_at: float | None = None  # monotonic seconds

    @property
    def is_started(self) -> bool:
        return self.started_at is not None


class Executor:
    """An executor and the attempts it holds: the first is running, the others wait behind it.

    Live ones run beside them.
    """

    __slots__ = ("agent", "held", "is_leaving", "live", "name")

    def __init__(self, name: str, agent: Agent) -> None:
        self.name = name
        self.agent = agent
        self.held: deque[Attempt] = deque()
        self.live: list[Attempt] = []
        self.is_leaving = False  # it gets nothing more, and is given back when it holds nothing

    @property
    def attempts(self) -> list[Attempt]:
        """All of them."""
        return [*self.held, *self.live]
