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
    """An agent's message about this run, with its payload."""

    agent: str
    message: object
    payload: bytes
    cause: BaseException | None = None  # the exception of a failure in this process


class FleetFailed(NamedTuple):
    """The run cannot get executors."""

    error: Exception


FleetEvent: TypeAlias = ExecutorJoined | ShareChanged | AgentLost | AgentSaid | FleetFailed


class Fleet(Protocol):
    """The executors of one run. An agent is named by its address as shard owner.

    Everything happens in the run loop's thread: sockets are registered with `poller`, each with a
    callable for the loop to call when the socket is ready.
    """

    poller: Poller
    transport: Transport
    secret: Secret  # of the run, sent by readers of its shards
    store_owner: str  # the server of the rows of slices
    store: RowsStore  # the rows of slices and channels
    reader_host: str  # the driver's host, compared by owners with their own
    shows_hosts: bool  # printed lines are prefixed by their agent's address
    shares_memory: bool  # executors run in this process

    def demand(self, count: int) -> None:
        """Set the number of additional executors wanted."""

    def send(self, agent: str, message: object) -> None:
        """Send a message to an agent; dropped if the agent is lost, which an event reports."""

    def advance(self, now: float) -> float:
        """Do what is due; return the monotonic time of the next call."""

    @property
    def is_settled(self) -> bool:
        """True while no further executor is expected."""

    def events(self) -> list[FleetEvent]:
        """Return the events since the last call."""

    def waiting_for(self) -> str:
        """Return the cause of a wait, as text for the user; empty if nothing is missing."""
