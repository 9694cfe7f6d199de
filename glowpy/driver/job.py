"""What a runner gets: one terminal call, planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from glowpy.driver.control import Control
from glowpy.driver.results import Result
from glowpy.flags import Options
from glowpy.flow.graph import Graph, Output
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.record import NamedTuple
from glowpy.timing import Timing

if TYPE_CHECKING:
    from glowpy.driver.recording import Recorded


class Job(NamedTuple):
    """A plan to be run, and where its rows go."""

    graph: Graph
    plan: Plan
    description: RunDescription
    result: Result
    options: Options
    timing: Timing
    words: Sequence[str]  # the script's own arguments
    recorded: Recorded  # results of the script's earlier runs, for tasks that re-run it
    outputs: Sequence[Output]  # channels that get rows
    control: Control

    @property
    def has_channels(self) -> bool:
        """It reads a channel, or writes one."""
        feeds = (dataset.feed for dataset in self.plan.kept_by_driver())
        return bool(self.outputs) or any(feed is not None for feed in feeds)


# Runs a job and returns the value of the terminal call, or raises a GlowError.
Runner: TypeAlias = Callable[[Job], Any]
