"""What every family of a dataset's methods stands on: the graph and the place in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from glowpy.flow.arguments import definition_error
from glowpy.flow.entry import Call, Terminal, execute
from glowpy.flow.graph import DatasetNode, Graph

D = TypeVar("D", bound="Handle")  # a method gives the class that it is called on: Dataset


class Handle:
    """A dataset of a flow's graph, as the user holds it."""

    __slots__ = ("_graph", "_node")

    def __init__(self, graph: Graph, node: DatasetNode) -> None:
        self._graph = graph
        self._node = node

    def _made(self: D, node: DatasetNode) -> D:
        """The dataset that a method has added to the graph."""
        return type(self)(self._graph, node)

    def _of(self, other: object, operator: str) -> DatasetNode:
        """The node of another dataset, which has to be of the same flow."""
        if not isinstance(other, Handle):
            raise definition_error(f"{operator}() needs another dataset, not {other!r:.100}")
        if other._graph is not self._graph:
            raise definition_error(
                f"{operator}() needs two datasets of one flow, but this one is of the flow of "
                f"{self._graph.location} and the other of that of {other._graph.location}"
            )
        return other._node

    def _execute(self, terminal: Terminal, path: str = "", limit: int = 0) -> Any:
        return execute(Call(self._graph, (self._node,), terminal, path, limit))

    def _execute_steps(self, terminal: Terminal, add_steps: Callable[[], DatasetNode]) -> Any:
        """A terminal call that has steps of its own, which no later run is to run."""
        first = len(self._graph.steps)
        node = add_steps()
        self._graph.made_by_call(first)
        return execute(Call(self._graph, (node,), terminal))
