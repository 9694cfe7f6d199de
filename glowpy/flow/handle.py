"""What every family of a dataset's methods stands on: the graph and the place in it."""

from __future__ import annotations

from typing import Any, TypeVar

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

    def _execute(self, terminal: Terminal, path: str = "") -> Any:
        return execute(Call(self._graph, (self._node,), terminal, path))
