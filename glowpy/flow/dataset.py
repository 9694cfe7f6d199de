"""Dataset: rows in shards, and what can be done with them.

A method loads the file of its operator family when it is called: a script starts no slower for the
operators that it does not use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from glowpy.flow.arguments import definition_error
from glowpy.flow.entry import Call, Terminal, execute
from glowpy.flow.graph import DatasetNode, Graph
from glowpy.flow.ops.kernel import Row, RowKind

# Methods of Glow, and what its users asked for, that are still to come.
_TO_COME = frozenset(
    """add_output broadcast_join cogroup distinct for_each full_outer_join group_by_key join key_by
    left_outer_join local_reduce local_reduce_by_key local_sort map_partitions map_values
    merge_reduce merge_sorted pipe reduce_by_user_defined_key right_outer_join round_robin sample
    save_bytes_to_file take top union""".split()
)


class Dataset:
    """Rows in shards, not computed yet. Each method gives a new dataset of the same flow.

    Functions given to `map`, `flat_map` and `filter` get the row; with two or more required
    positional parameters they get the fields of the row, which must then be a tuple or list of
    exactly that length. They run in other processes, once for each row.

    Methods raise `DefinitionError`, with the user's file and line, when they are called wrongly.
    Go: flow/dataset.go.
    """

    __slots__ = ("_graph", "_node")

    def __init__(self, graph: Graph, node: DatasetNode) -> None:
        self._graph = graph
        self._node = node

    def __repr__(self) -> str:
        step = self._graph.step_of(self._node)
        count = self._node.shard_count
        return f"<Dataset {step.describe()}, {count} shard{'s' * (count != 1)}>"

    if not TYPE_CHECKING:  # a type checker has to find wrong names

        def __getattr__(self, name: str) -> Any:
            if name in _TO_COME:
                raise AttributeError(f"Dataset.{name}() is not there yet; see docs/fidelity.md")
            raise AttributeError(f"a Dataset has no attribute {name!r}")

    @property
    def shard_count(self) -> int:
        """Number of shards, which is the number of tasks that can work on it side by side."""
        return self._node.shard_count

    def map(self, function: Callable[..., Row]) -> Dataset:
        """One row for each row: what the function returns, None included.

        `V → W`. Go: flow/dataset_map.go.

        >>> Flow().slice([1, 2, 3]).map(lambda x: x * x).collect()
        [1, 4, 9]
        """
        return self._row_step(RowKind.MAP, function)

    def flat_map(self, function: Callable[..., Iterable[Row]]) -> Dataset:
        """None, one or many rows for each row: the items of what the function returns or yields.

        `V → W, W, …`. In Glow this is a Map with an emit channel. Go: flow/dataset_map.go.

        >>> Flow().slice(["a b", "", "c"]).flat_map(str.split).collect()
        ['a', 'b', 'c']
        """
        return self._row_step(RowKind.FLAT_MAP, function)

    def filter(self, function: Callable[..., object]) -> Dataset:
        """The rows for which the function returns something true.

        `V → V`. Rows stay in their shards and in order. Go: flow/dataset_map.go.

        >>> Flow().slice(range(6)).filter(lambda x: x % 2).collect()
        [1, 3, 5]
        """
        return self._row_step(RowKind.FILTER, function)

    def reduce(self, function: Callable[[Row, Row], Row]) -> Dataset:
        """One row in the end: `function(a, b)` folds all rows, in row order; nothing gives nothing.

        `V, V → V`, in one shard. The function should be associative: each shard is folded first,
        then their results. Go: flow/dataset_reduce.go.

        >>> Flow().slice([1, 2, 3, 4], shards=2).reduce(lambda x, y: x + y).collect()
        [10]
        """
        from glowpy.flow.ops.reduce import add_reduce_steps

        return Dataset(self._graph, add_reduce_steps(self._graph, self._node, function))

    def reduce_by_key(self, function: Callable[[Row, Row], Row]) -> Dataset:
        """One row per key: the key and its values folded by `function(a, b)`, in row order.

        `(K, V) → (K, V)`, in one shard, in key order where the keys have a total order. Keys must
        be hashable. Go: flow/dataset_reduce.go.

        >>> pairs = [("b", 1), ("a", 2), ("b", 3)]
        >>> Flow().slice(pairs).reduce_by_key(lambda x, y: x + y).collect()
        [('a', 2), ('b', 4)]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.by_key import add_reduce_by_key_steps

        return Dataset(self._graph, add_reduce_by_key_steps(self._graph, self._node, function))

    def partition(self, shards: int) -> Dataset:
        """The same rows in `shards` shards; rows with equal keys are in the same one.

        The key is the first element of a tuple or list, else the row. Nothing is done where the
        rows already lie so. Go: flow/dataset_partition.go.

        >>> sorted(Flow().slice(range(9)).partition(4).collect())
        [0, 1, 2, 3, 4, 5, 6, 7, 8]

        Raises (when it runs):
            RowError: a key cannot be hashed, or only by its address in memory.
        """
        from glowpy.flow.ops.partition import add_partition_steps

        return Dataset(self._graph, add_partition_steps(self._graph, self._node, shards))

    def sort(self, key: Callable[[Row], Any] | None = None, *, reverse: bool = False) -> Dataset:
        """All rows in order, in one shard; rows with equal keys stay in (shard, position) order.

        `key` gets the row; without one, rows are ordered by their key: the first element of a
        tuple or list, else the row. Go: flow/dataset_sort.go.

        >>> Flow().slice([(2, "x"), (1, "y"), (2, "a")], shards=2).sort().collect()
        [(1, 'y'), (2, 'x'), (2, 'a')]

        Raises (when it runs):
            RowError: two keys cannot be compared.
        """
        from glowpy.flow.ops.sort import add_sort_steps

        return Dataset(self._graph, add_sort_steps(self._graph, self._node, key, reverse))

    def collect(self) -> list[Row]:
        """Run what this dataset needs and return its rows, in shard order.

        Raises:
            TaskFailed: the user's code raised; GlowError: whatever else went wrong.
        """
        rows: list[Row] = self._execute(Terminal.COLLECT)
        return rows

    def count(self) -> int:
        """Run what this dataset needs and return the number of its rows.

        >>> Flow().slice("abc").count()
        3
        """
        number: int = self._execute(Terminal.COUNT)
        return number

    def save_text_to_file(self, path: str | os.PathLike[str]) -> None:
        """Run what this dataset needs and write one line per row, `str(row)`, in UTF-8.

        Lines are made in the tasks; the driver joins the shards in order into a temporary file
        beside `path` and renames it when everything is there. A path that ends in `.gz` is
        compressed. Rows that are no text get their `str()`; for another form, `map` them.
        Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
        """
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise definition_error(f"save_text_to_file() needs a path, not {path!r}")
        self._execute(Terminal.SAVE_TEXT, os.fspath(path))

    def run(self) -> None:
        """Run what this dataset needs; its rows are drained. Go: flow/dataset_run.go."""
        self._execute(Terminal.RUN)

    def _row_step(self, kind: RowKind, function: Callable[..., Any]) -> Dataset:
        from glowpy.flow.ops.rowwise import add_row_step

        return Dataset(self._graph, add_row_step(self._graph, self._node, kind, function))

    def _execute(self, terminal: Terminal, path: str = "") -> Any:
        return execute(Call(self._graph, (self._node,), terminal, path))
