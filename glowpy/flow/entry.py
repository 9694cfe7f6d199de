"""The entry from the user's terminal calls to `launch`, the only import of an upper floor.

`launch` imports everything else and is loaded at the first terminal call, so that `import glowpy`
stays light and the graph stays free of execution.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from enum import Enum
from itertools import count
from typing import Any, Protocol

from glowpy.errors import GlowError, ProgramError, TaskFailed
from glowpy.flow.graph import DatasetNode, Graph, Output
from glowpy.record import NamedTuple
from glowpy.task_scope import is_in_task


class Terminal(Enum):
    """The kind of a terminal call, which decides what happens to the rows."""

    RUN = "run"  # the rows are computed and dropped
    COLLECT = "collect"  # the rows, as a list at the driver
    COUNT = "count"  # the number of rows
    TAKE = "take"  # the first rows, as a list at the driver
    TOP = "top"  # the rows of extra steps that select them, as a list at the driver
    FOR_EACH = "for_each"  # the rows are dropped
    SAVE_TEXT = "save_text_to_file"  # one text file at the driver
    SAVE_BYTES = "save_bytes_to_file"  # one file of bytes at the driver

    @property
    def gives_value(self) -> bool:
        """True if the call returns a value that the script may use afterwards."""
        return self in (Terminal.COLLECT, Terminal.COUNT, Terminal.TAKE, Terminal.TOP)

    @property
    def is_stored(self) -> bool:
        """True if the driver receives the rows."""
        return self not in (Terminal.RUN, Terminal.COUNT, Terminal.FOR_EACH)


class RunHandle(Protocol):
    """A run in the background: the result of `flow.start()`."""

    @property
    def is_running(self) -> bool:
        """True until the run has ended, by success, failure or cancellation."""

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait for the end of the run, which requires that its input channels are closed.

        Raises:
            WaitTimeout: the run has not ended within `timeout_s`, and continues.
            GlowError: the run has failed, or was cancelled.
        """

    def cancel(self) -> None:
        """Cancel the run and wait for its processes to end. Its channels raise RunCancelled."""


class Call(NamedTuple):
    """One terminal call of the user's script."""

    graph: Graph
    datasets: tuple[DatasetNode, ...]
    terminal: Terminal
    path: str = ""  # of save_*
    limit: int = 0  # of take(): the row limit

    @property
    def outputs(self) -> list[Output]:
        """Channels that get rows; empty for calls that return or save rows themselves."""
        return list(self.graph.outputs) if self.terminal is Terminal.RUN else []


_flow_numbers = count()
_is_ready = False
_graphs: weakref.WeakValueDictionary[int, Graph] = weakref.WeakValueDictionary()


def register_flow(location: str, arguments: Sequence[str] | None) -> Graph:
    """Return a new flow's graph, numbered per process; a task finds its flow by this number."""
    from glowpy import launch

    graph = Graph(next(_flow_numbers), location, None if arguments is None else tuple(arguments))
    _graphs[graph.flow_id] = graph
    if _is_ready:
        graph.shared_step_count = 0
    launch.flow_created(graph)
    return graph


def end_of_shared_part() -> None:
    """Mark the position of glowpy.ready(): tasks that run the script define no later steps."""
    global _is_ready
    if not _is_ready:
        _is_ready = True
        for graph in list(_graphs.values()):
            graph.shared_step_count = len(graph.steps)


def graphs_of_process() -> list[Graph]:
    """The graphs of the flows that this process has defined and still uses, in their order."""
    return [graph for _flow_id, graph in sorted(_graphs.items())]


def graph_of(flow_id: int) -> Graph | None:
    """Return the graph of a flow of this process."""
    return _graphs.get(flow_id)


def no_flows_in_tasks(call: Call) -> GlowError:
    """Return the error for a terminal call inside a function of a flow."""
    return ProgramError(
        f"{call.terminal.value}() was called by a function that runs in a task; a flow's "
        "functions cannot run flows: make what they need a dataset, or a value, before"
    )


def execute(call: Call) -> Any:
    """Run a terminal call in the mode of this process."""
    from glowpy import launch

    return _checked_call(call, launch.execute)


def start(call: Call) -> RunHandle:
    """Start a terminal call in the background."""
    from glowpy import launch

    started: RunHandle = _checked_call(call, launch.start)
    return started


def plan_of(graph: Graph, dataset: DatasetNode, kind: str) -> str:
    """The plan of a dataset: as "text", or a picture of its "steps" or "groups", or of its steps as
    "svg"; that is empty where it cannot be drawn."""
    from glowpy import launch

    return launch.plan_of(graph, dataset, kind)


def _checked_call(call: Call, function: Callable[[Call], Any]) -> Any:
    if is_in_task():
        raise no_flows_in_tasks(call)
    try:
        return function(call)
    except GlowError as exc:
        from glowpy.tracebacks import shows_all

        if shows_all():
            raise
        # The message is complete. Our own frames, and the system's exception, would only separate
        # it from the user's line; the exception of the user's code stays.
        raise exc.with_traceback(None) from exc.__cause__ if isinstance(exc, TaskFailed) else None
