"""The input of a runner: one planned terminal call."""

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
    """A plan to be run, and the destination of its rows."""

    graph: Graph
    plan: Plan
    description: RunDescription
    result: Result
    options: Options
    timing: Timing
    words: Sequence[str]  # the script's own arguments
    recorded: Recorded  # results of the script's earlier runs, for tasks that re-run the script
    outputs: Sequence[Output]  # channels that receive rows
    control: Control

    @property
    def has_channels(self) -> bool:
        """True if the plan reads or writes a channel."""
        feeds = (dataset.feed for dataset in self.plan.kept_by_driver())
        return bool(self.outputs) or any(feed is not None for feed in feeds)


# Runs a job and returns the value of the terminal call, or raises a GlowError.
Runner: TypeAlias = Callable[[Job], Any]
