"""The methods of a dataset that look at one row after another, and move none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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

    def key_by(self: R, function: Callable[..., Row]) -> R:
        """Each row behind its key: what the function returns.

        `V → (K, V)`. The function gets the row, or its fields, as in `map`. Glow has none.

        >>> Flow().slice(["b", "cc"]).key_by(len).collect()
        [(1, 'b'), (2, 'cc')]
        """
        return self._row_step(RowKind.KEY_BY, function)

    def map_values(self: R, function: Callable[..., Row]) -> R:
        """Each pair with another value: what the function returns for the one it has.

        `(K, V) → (K, W)`. The function gets the value; with two or more required positional
        parameters, or a `*parameter`, it gets the value's fields. What is known of the rows' place
        and order by key stays known. Glow has none.

        >>> Flow().slice([("a", 1), ("b", 2)]).map_values(lambda n: n * 10).collect()
        [('a', 10), ('b', 20)]

        Raises (when it runs):
            RowError: a row is not a pair.
        """
        return self._row_step(RowKind.MAP_VALUES, function)

    def sample(self: R, fraction: float, seed: int = 0) -> R:
        """About a `fraction` of the rows, from 0 to 1, drawn by lot without putting back.

        `V → V`. Whether a row stays depends on the seed, its shard and its place there alone: a
        run that is repeated, or a task, draws the same. Glow has none.

        >>> Flow().slice(range(100), shards=2).sample(0.1, seed=3).count()
        10
        """
        from glowpy.flow.ops.sample import add_sample_step

        return self._made(add_sample_step(self._graph, self._node, fraction, seed))

    def pipe(self: R, command: str | Sequence[str]) -> R:
        """The lines that a Unix command writes when it gets the rows of a shard as lines.

        `V → str`. Each shard has a process of its own: `str(row)` and a line end go to its standard
        input, in UTF-8, and each line of its standard output is a row. A `str` is run by `/bin/sh`,
        a list without one. What the command writes to its standard error appears at the driver.
        Bytes that are no UTF-8 come back as surrogates, as `os.fsdecode` has them. Glow has none.

        >>> Flow().slice(["b", "a"]).pipe("sort | tr a-z A-Z").collect()
        ['A', 'B']

        Raises (when it runs):
            CommandFailed: the command cannot be started, does not exit with 0, or is killed.
            RowError: a row has a line end in it.
        """
        from glowpy.flow.ops.pipe import add_pipe_step

        return self._made(add_pipe_step(self._graph, self._node, command))

    def _row_step(self: R, kind: RowKind, function: Callable[..., Any]) -> R:
        from glowpy.flow.ops.rowwise import add_row_step

        return self._made(add_row_step(self._graph, self._node, kind, function))
