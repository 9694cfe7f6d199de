"""The methods of a dataset that process row by row, within each shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from glowpy.flow.handle import Handle
from glowpy.flow.ops.kernel import Row, RowKind

R = TypeVar("R", bound="RowSteps")


class RowSteps(Handle):
    """Row-wise operators: rows stay in their shards and in order."""

    __slots__ = ()

    def map(self: R, function: Callable[..., Row]) -> R:
        """The result of the function for each row, None included.

        `V → W`. Go: flow/dataset_map.go.

        >>> Flow().slice([1, 2, 3]).map(lambda x: x * x).collect()
        [1, 4, 9]
        """
        return self._row_step(RowKind.MAP, function)

    def flat_map(self: R, function: Callable[..., Iterable[Row]]) -> R:
        """Any number of rows for each row: the items that the function returns or yields.

        `V → W, W, …`. In Glow this is a Map with an emit channel. Go: flow/dataset_map.go.

        >>> Flow().slice(["a b", "", "c"]).flat_map(str.split).collect()
        ['a', 'b', 'c']
        """
        return self._row_step(RowKind.FLAT_MAP, function)

    def filter(self: R, function: Callable[..., object]) -> R:
        """The rows for which the function returns a true value.

        `V → V`. Rows stay in their shards and in order. Go: flow/dataset_map.go.

        >>> Flow().slice(range(6)).filter(lambda x: x % 2).collect()
        [1, 3, 5]
        """
        return self._row_step(RowKind.FILTER, function)

    def key_by(self: R, function: Callable[..., Row]) -> R:
        """A pair for each row: the result of the function as key, and the row.

        `V → (K, V)`. The function gets the row, or its fields, as in `map`. Not in Glow.

        >>> Flow().slice(["b", "cc"]).key_by(len).collect()
        [(1, 'b'), (2, 'cc')]
        """
        return self._row_step(RowKind.KEY_BY, function)

    def map_values(self: R, function: Callable[..., Row]) -> R:
        """Each pair with its value replaced by the result of the function.

        `(K, V) → (K, W)`. The function gets the value; with two or more required positional
        parameters, or a `*parameter`, it gets the value's fields. Partitioning and order by key are
        preserved. Not in Glow.

        >>> Flow().slice([("a", 1), ("b", 2)]).map_values(lambda n: n * 10).collect()
        [('a', 10), ('b', 20)]

        Raises (when it runs):
            RowError: a row is not a pair.
        """
        return self._row_step(RowKind.MAP_VALUES, function)

    def sample(self: R, fraction: float, seed: int = 0) -> R:
        """A random sample of about a `fraction` of the rows (0 to 1), without replacement.

        `V → V`. Whether a row stays depends only on the seed, its shard and its position: a
        repeated run or task draws the same sample. Not in Glow.

        >>> Flow().slice(range(100), shards=2).sample(0.1, seed=3).count()
        10
        """
        from glowpy.flow.ops.sample import add_sample_step

        return self._made(add_sample_step(self._graph, self._node, fraction, seed))

    def pipe(self: R, command: str | Sequence[str]) -> R:
        """The output lines of a Unix command that gets the rows of a shard as input lines.

        `V → str`. Each shard starts a process: `str(row)` and a line end go to its standard input,
        in UTF-8, and each line of its standard output becomes a row. `/bin/sh` runs a `str`; a list
        is run without a shell. Standard error of the command appears at the driver. Output bytes
        outside UTF-8 become surrogates, as by `os.fsdecode`. Not in Glow.

        >>> Flow().slice(["b", "a"]).pipe("sort | tr a-z A-Z").collect()
        ['A', 'B']

        Raises (when it runs):
            CommandFailed: the command cannot be started, does not exit with 0, or is killed.
            RowError: a row contains a line end.
        """
        from glowpy.flow.ops.pipe import add_pipe_step

        return self._made(add_pipe_step(self._graph, self._node, command))

    def _row_step(self: R, kind: RowKind, function: Callable[..., Any]) -> R:
        from glowpy.flow.ops.rowwise import add_row_step

        return self._made(add_row_step(self._graph, self._node, kind, function))
