"""The methods of a dataset that look at one row after another, and move none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from glowpy.flow.handle import Handle
from glowpy.flow.ops.kernel import Row, RowKind

R = TypeVar("R", bound="RowSteps")


class RowSteps(Handle):
    """Rows stay in their shards and in order."""

    __slots__ = ()

    def map(self: R, function: Callable[..., Row]) -> R:
        """One row for each row: what the function returns, None included.

        `V → W`. Go: flow/dataset_map.go.

        >>> Flow().slice([1, 2, 3]).map(lambda x: x * x).collect()
        [1, 4, 9]
        """
        return self._row_step(RowKind.MAP, function)

    def flat_map(self: R, function: Callable[..., Iterable[Row]]) -> R:
        """None, one or many rows for each row: the items of what the function returns or yields.

        `V → W, W, …`. In Glow this is a Map with an emit channel. Go: flow/dataset_map.go.

        >>> Flow().slice(["a b", "", "c"]).flat_map(str.split).collect()
        ['a', 'b', 'c']
        """
        return self._row_step(RowKind.FLAT_MAP, function)

    def filter(self: R, function: Callable[..., object]) -> R:
        """The rows for which the function returns something true.

        `V → V`. Rows stay in their shards and in order. Go: flow/dataset_map.go.

        >>> Flow().slice(range(6)).filter(lambda x: x % 2).collect()
        [1, 3, 5]
        """
        return self._row_step(RowKind.FILTER, function)

    def _row_step(self: R, kind: RowKind, function: Callable[..., Any]) -> R:
        from glowpy.flow.ops.rowwise import add_row_step

        return self._made(add_row_step(self._graph, self._node, kind, function))
