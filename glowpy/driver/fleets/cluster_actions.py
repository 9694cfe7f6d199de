"""The actions of `ClusterCore` and `MasterClient`; the fleet performs them."""

from __future__ import annotations

from typing import Any, TypeAlias

from glowpy.driver.fleets.fleet import FleetEvent
from glowpy.record import NamedTuple


class ReachMaster(NamedTuple):
    """Connect to the master and greet it."""


class ToMaster(NamedTuple):
    """Send to the master, if connected."""

    message: Any


class LeaveMaster(NamedTuple):
    """Close the connection to the master."""


class ReachAgent(NamedTuple):
    """Connect to an agent and greet it."""

    address: str


class ToAgent(NamedTuple):
    """Send to an agent."""

    address: str
    message: Any
    payload: bytes = b""


class LeaveAgent(NamedTuple):
    """Close the connection to an agent; messages in transit are dropped."""

    address: str


class Report(NamedTuple):
    """Pass an event to the run loop."""

    event: FleetEvent


ClusterAction: TypeAlias = (
    ReachMaster | ToMaster | LeaveMaster | ReachAgent | ToAgent | LeaveAgent | Report
)
