"""What a run needs of its executors, wherever they are: the one interface between the run loop and
standalone or cluster."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from glowpy.driver.rows_store import RowsStore
from glowpy.driver.scheduling.events import AgentLost, ExecutorJoined, ShareChanged
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.wire.transport import Poller, Transport


class AgentSaid(NamedTuple):
    """A message of an agent about this run, with its payload."""

    agent: str
    message: object
    payload: bytes
    cause: BaseException | None = None  # of a failure in this process: the exception itself


class FleetFailed(NamedTuple):
    """The run cannot get executors any more, or never could."""

    error: Exception


FleetEvent: TypeAlias = ExecutorJoined | ShareChanged | AgentLost | AgentSaid | FleetFailed


class Fleet(Protocol):
    """Executors for one run. An agent is named by its address as shard owner.

    Everything happens in the run loop's thread: sockets are registered with `poller` under a
    callable that the loop calls when they are ready.
    """

    poller: Poller
    transport: Transport
    secret: Secret  # of the run: readers of its shards send it
    store_owner: str  # who serves the rows of slices
    store: RowsStore  # what it serves
    reader_host: str  # the driver's host, as owners compare it with their own
    shows_hosts: bool  # printed lines carry their agent's address
    shares_memory: bool  # executors run in this process

    def demand(self, count: int) -> None:
        """So many more executors are wanted; replaces what was wanted before."""

    def send(self, agent: str, message: object) -> None:
        """A message to an agent; lost silently if the agent is, which an event will tell."""

    def advance(self, now: float) -> float:
        """Do what is due; the monotonic time at which to be called again."""

    @property
    def is_settled(self) -> bool:
        """No executor is on its way: those that are there are all for now."""

    def events(self) -> list[FleetEvent]:
        """What has happened since the last call."""

    def waiting_for(self) -> str:
        """In words, for a user who wonders why nothing happens; empty when nothing is missing."""
