"""The base class of a dataset's method families: the graph, and the dataset's node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from glowpy.flow.arguments import definition_error
from glowpy.flow.entry import Call, Terminal, execute
from glowpy.flow.graph import DatasetNode, Graph

D = TypeVar("D", bound="Handle")  # a method returns the class of its dataset


class Handle:
    """A dataset of a flow's graph, as a user's object."""

    __slots__ = ("_graph", "_node")

    def __init__(self, graph: Graph, node: DatasetNode) -> None:
        self._graph = graph
        self._node = node

    def _made(self: D, node: DatasetNode) -> D:
        """Return the dataset of a new node."""
        return type(self)(self._graph, node)

    def _of(self, other: object, operator: str) -> DatasetNode:
        """Return the node of another dataset, or raise unless both belong to one flow."""
        if not isinstance(other, Handle):
            raise definition_error(f"{operator}() needs another dataset, not {other!r:.100}")
        if other._graph is not self._graph:
            raise definition_error(
                f"{operator}() needs two datasets of one flow, but this one belongs to the flow of "
                f"{self._graph.location}, the other to the flow of {other._graph.location}"
            )
        return other._node

    def _execute(self, terminal: Terminal, path: str = "", limit: int = 0) -> Any:
        return execute(Call(self._graph, (self._node,), terminal, path, limit))

    def _execute_steps(self, terminal: Terminal, add_steps: Callable[[], DatasetNode]) -> Any:
        """Execute a terminal call with extra steps, which later runs skip."""
        first = len(self._graph.steps)
        node = add_steps()
        self._graph.made_by_call(first)
        return execute(Call(self._graph, (node,), terminal))
