"""The methods of a dataset that work on whole shards: fold, order, or lay them out anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glowpy.flow.handle import D, Handle
from glowpy.flow.ops.kernel import Row


class ShardSteps(Handle):
    """What is made of a dataset's shards."""

    __slots__ = ()

    def reduce(self: D, function: Callable[[Row, Row], Row]) -> D:
        """One row in the end: `function(a, b)` folds all rows, in row order; nothing gives nothing.

        `V, V → V`, in one shard. The function should be associative: each shard is folded first,
        then their results. Go: flow/dataset_reduce.go.

        >>> Flow().slice([1, 2, 3, 4], shards=2).reduce(lambda x, y: x + y).collect()
        [10]
        """
        from glowpy.flow.ops.reduce import add_reduce_steps

        return self._made(add_reduce_steps(self._graph, self._node, function))

    def sort(self: D, key: Callable[[Row], Any] | None = None, *, reverse: bool = False) -> D:
        """All rows in order, in one shard; rows with equal keys stay in (shard, position) order.

        `key` gets the row; without one, rows are ordered by their key: the first element of a
        tuple or list, else the row. Go: flow/dataset_sort.go.

        >>> Flow().slice([(2, "x"), (1, "y"), (2, "a")], shards=2).sort().collect()
        [(1, 'y'), (2, 'x'), (2, 'a')]

        Raises (when it runs):
            RowError: two keys cannot be compared.
        """
        from glowpy.flow.ops.sort import add_sort_steps

        return self._made(add_sort_steps(self._graph, self._node, key, reverse))
