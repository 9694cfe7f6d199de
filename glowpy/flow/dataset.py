"""Dataset: rows in shards, and the operators on them.

The whole interface is one class in one file: signatures, docstrings, and one call each. `ops` adds
the steps to the graph; a method loads its operators when called, so that a script does not pay for
the others at its start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from glowpy.errors import NotComputed, short_repr
from glowpy.flow.arguments import check_row_count, check_shards, definition_error
from glowpy.flow.entry import Call, Terminal, execute, plan_of
from glowpy.flow.graph import DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Row, RowKind

if TYPE_CHECKING:
    from glowpy.channel import Channel


class Dataset:
    """Rows in shards, computed by a run. Each operator returns a new dataset of the same flow.

    The functions passed to `map`, `flat_map` and `filter` get the row. With two or more required
    positional parameters they get the fields of the row, a tuple or list of exactly that length;
    with a `*parameter` they get the fields of a tuple or list of any length. They run in other
    processes, once for each row.

    Methods raise `DefinitionError`, with the user's file and line, when called wrongly. A dataset
    is not a container: container operations (`for`, `len`, `[]`, `+`) raise `NotComputed`, which
    names the call to use instead. A dataset is always true, whether or not it will have rows.
    Go: flow/dataset.go.
    """

    __slots__ = ("_graph", "_node")

    def __init__(self, graph: Graph, node: DatasetNode) -> None:
        self._graph = graph
        self._node = node

    @property
    def shard_count(self) -> int:
        """Number of shards, and so the number of tasks that can read the dataset in parallel."""
        return self._node.shard_count

    def explain(self) -> str:
        """Return the plan of `collect()` as text, as `-glow.flow.explain` prints it.

        >>> print(Flow().slice("abc").explain().partition(";")[0])
        1 step in 1 step group, 1 task group in all
        """
        return plan_of(self._graph, self._node, "text")

    def plot(self, kind: Literal["steps", "groups"] = "steps") -> str:
        """Return the plan of `collect()` in the DOT language of graphviz.

        In a notebook the value is shown as a picture if graphviz's `dot` is installed.

        Args:
            kind: "steps": one node per step, as the run executes it, with the number of its tasks
                and the line of its definition; "groups": all task groups, as Glow draws them.

        Raises:
            PlanTooLarge: a picture of "groups" would have more than 2,000 nodes.
        """
        if kind not in ("steps", "groups"):
            raise definition_error(f'plot() takes "steps" or "groups", not {kind!r:.100}')
        return plan_of(self._graph, self._node, kind)

    # --- rows, within each shard ---

    def map(self, function: Callable[..., Row]) -> Dataset:
        """The result of the function for each row, None included.

        `V → W`. Go: flow/dataset_map.go.

        >>> Flow().slice([1, 2, 3]).map(lambda x: x * x).collect()
        [1, 4, 9]
        """
        return self._row_step(RowKind.MAP, function)

    def flat_map(self, function: Callable[..., Iterable[Row]]) -> Dataset:
        """Any number of rows for each row: the items that the function returns or yields.

        `V → W, W, …`. In Glow this is a Map with an emit channel. Go: flow/dataset_map.go.

        >>> Flow().slice(["a b", "", "c"]).flat_map(str.split).collect()
        ['a', 'b', 'c']
        """
        return self._row_step(RowKind.FLAT_MAP, function)

    def filter(self, function: Callable[..., object]) -> Dataset:
        """The rows for which the function returns a true value.

        `V → V`. Rows stay in their shards and in order. Go: flow/dataset_map.go.

        >>> Flow().slice(range(6)).filter(lambda x: x % 2).collect()
        [1, 3, 5]
        """
        return self._row_step(RowKind.FILTER, function)

    def key_by(self, function: Callable[..., Row]) -> Dataset:
        """A pair for each row: the result of the function as key, and the row.

        `V → (K, V)`. The function gets the row, or its fields, as in `map`. Not in Glow.

        >>> Flow().slice(["b", "cc"]).key_by(len).collect()
        [(1, 'b'), (2, 'cc')]
        """
        return self._row_step(RowKind.KEY_BY, function)

    def map_values(self, function: Callable[..., Row]) -> Dataset:
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

    def sample(self, fraction: float, seed: int = 0) -> Dataset:
        """A random sample of about a `fraction` of the rows (0 to 1), without replacement.

        `V → V`. Whether a row stays depends only on the seed, its shard and its position: a
        repeated run or task draws the same sample. Not in Glow.

        >>> Flow().slice(range(100), shards=2).sample(0.1, seed=3).count()
        10
        """
        from glowpy.flow.ops.sample import add_sample_step

        return self._made(add_sample_step(self._graph, self._node, fraction, seed))

    def pipe(self, command: str | Sequence[str]) -> Dataset:
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

    # --- keys: the first element of a tuple or list, else the row ---

    def reduce_by_key(
        self, function: Callable[[Row, Row], Row], shards: int | None = None
    ) -> Dataset:
        """One row per key: the key and its values folded by `function(a, b)`, in row order.

        `(K, V) → (K, V)`, in one shard, in key order if the keys have a total order. With `shards`,
        the keys are distributed over that number of shards, each in key order. Keys must be
        hashable. Go: flow/dataset_reduce.go.

        >>> pairs = [("b", 1), ("a", 2), ("b", 3)]
        >>> Flow().slice(pairs).reduce_by_key(lambda x, y: x + y).collect()
        [('a', 2), ('b', 4)]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.by_key import add_reduce_by_key_steps

        return self._made(add_reduce_by_key_steps(self._graph, self._node, function, shards))

    def local_reduce_by_key(self, function: Callable[[Row, Row], Row]) -> Dataset:
        """One row per key and shard: each shard is reduced by itself, and no row moves.

        `(K, V) → (K, V)`, each shard in key order if its keys have a total order.
        Go: flow/dataset_reduce.go.

        >>> pairs = [("b", 1), ("a", 2), ("b", 3), ("b", 4)]
        >>> Flow().slice(pairs, shards=2).local_reduce_by_key(lambda x, y: x + y).collect()
        [('a', 2), ('b', 1), ('b', 7)]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.by_key import add_local_reduce_by_key_step

        return self._made(add_local_reduce_by_key_step(self._graph, self._node, function))

    def reduce_by_user_defined_key(
        self, key: Callable[[Row], Row], function: Callable[[Row, Row], Row]
    ) -> Dataset:
        """One row per value of `key(k)`, which defines the equality and the order of keys.

        `(K, V) → (K, V)`, in one shard. The results of `key` must be hashable; the keys themselves
        need not be. The first of several equal keys stays. Glow has a less-than function instead.
        Go: flow/dataset_reduce.go.

        >>> pairs = [("B", 1), ("a", 2), ("b", 3), ("A", 4)]
        >>> Flow().slice(pairs).reduce_by_user_defined_key(str.lower, max).collect()
        [('a', 4), ('B', 3)]

        Raises (when it runs):
            RowError: a row is not a pair, or a result of `key` cannot be hashed.
        """
        from glowpy.flow.ops.user_key import add_reduce_by_user_defined_key_steps

        node = add_reduce_by_user_defined_key_steps(self._graph, self._node, key, function)
        return self._made(node)

    def group_by_key(self) -> Dataset:
        """One row per key: the key and the list of its values, in row order.

        `(K, V) → (K, [V])`, in the same number of shards, each in key order if its keys have a
        total order. Keys must be hashable. All values of one key have to fit into memory.
        Go: flow/dataset_cogroup.go.

        >>> pairs = [("b", 1), ("a", 2), ("b", 3)]
        >>> Flow().slice(pairs).group_by_key().collect()
        [('a', [2]), ('b', [1, 3])]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.group import add_group_by_key_steps

        return self._made(add_group_by_key_steps(self._graph, self._node))

    def local_group_by_key(self) -> Dataset:
        """One row per key and shard: each shard is grouped by itself, and no row moves.

        `(K, V) → (K, [V])`, each shard in key order if its keys have a total order.
        Go: flow/dataset_cogroup.go.

        >>> Flow().slice([(1, "a"), (1, "b"), (1, "c")], shards=2).local_group_by_key().collect()
        [(1, ['a']), (1, ['b', 'c'])]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.group import add_local_group_by_key_step

        return self._made(add_local_group_by_key_step(self._graph, self._node))

    def partition(self, shards: int) -> Dataset:
        """The same rows in `shards` shards; rows with equal keys share a shard.

        The key is the first element of a tuple or list, else the row. A dataset with this partition
        already is returned unchanged. Go: flow/dataset_partition.go.

        >>> sorted(Flow().slice(range(9)).partition(4).collect())
        [0, 1, 2, 3, 4, 5, 6, 7, 8]

        Raises (when it runs):
            RowError: a key cannot be hashed, or only by its address in memory.
        """
        from glowpy.flow.ops.partition import add_partition_steps

        return self._made(add_partition_steps(self._graph, self._node, shards))

    def distinct(self) -> Dataset:
        """The first of several equal rows.

        `V → V`, in the same number of shards, each in order if all its rows have a total order.
        Rows must be hashable; NaN is equal to nothing. Not in Glow.

        >>> Flow().slice(["b", "a", "b"]).distinct().collect()
        ['a', 'b']

        Raises (when it runs):
            RowError: a row cannot be hashed, or only by its address in memory.
        """
        from glowpy.flow.ops.distinct import add_distinct_steps

        return self._made(add_distinct_steps(self._graph, self._node))

    # --- joins ---

    def join(self, other: Dataset) -> Dataset:
        """Every pair of a row of this dataset and a row of the other dataset with equal keys.

        `(K, A), (K, B) → (K, A, B)`. What follows holds for all joins and cogroups: keys must be
        hashable, and NaN keys match nothing. The result has as many shards as this dataset. A shard
        is in key order if all its keys, of both sides, have a total order; the rows of a key are in
        the order of their left rows, then of their right rows. The key of a result row is the left
        key, for example if 1 matches 1.0. Go: flow/dataset_join.go.

        >>> flow = Flow()
        >>> ages = flow.slice([("ann", 31), ("bob", 25), ("cy", 4)])
        >>> towns = flow.slice([("bob", "Rome"), ("ann", "Oslo"), ("ann", "Bonn")])
        >>> ages.join(towns).collect()
        [('ann', 31, 'Oslo'), ('ann', 31, 'Bonn'), ('bob', 25, 'Rome')]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        return self._joined(other, "join")

    def left_outer_join(self, other: Dataset) -> Dataset:
        """A join that keeps rows of this dataset without a match, with None for the other value.

        `(K, A), (K, B) → (K, A, B | None)`. Glow has it as a flag of JoinPartitionedSorted.

        >>> flow = Flow()
        >>> left, right = flow.slice([(1, "a"), (2, "b")]), flow.slice([(2, "x"), (3, "y")])
        >>> left.left_outer_join(right).collect()
        [(1, 'a', None), (2, 'b', 'x')]
        """
        return self._joined(other, "left_outer_join", left_outer=True)

    def right_outer_join(self, other: Dataset) -> Dataset:
        """A join that keeps rows of the other dataset without a match, with None as the value here.

        `(K, A), (K, B) → (K, A | None, B)`. Glow has it as a flag of JoinPartitionedSorted.

        >>> flow = Flow()
        >>> left, right = flow.slice([(1, "a"), (2, "b")]), flow.slice([(2, "x"), (3, "y")])
        >>> left.right_outer_join(right).collect()
        [(2, 'b', 'x'), (3, None, 'y')]
        """
        return self._joined(other, "right_outer_join", right_outer=True)

    def full_outer_join(self, other: Dataset) -> Dataset:
        """A join that keeps rows of both datasets without a match, with None for the missing value.

        `(K, A), (K, B) → (K, A | None, B | None)`.

        >>> flow = Flow()
        >>> left, right = flow.slice([(1, "a"), (2, "b")]), flow.slice([(2, "x"), (3, "y")])
        >>> left.full_outer_join(right).collect()
        [(1, 'a', None), (2, 'b', 'x'), (3, None, 'y')]
        """
        return self._joined(other, "full_outer_join", left_outer=True, right_outer=True)

    def join_partitioned_sorted(
        self, other: Dataset, *, left_outer: bool = False, right_outer: bool = False
    ) -> Dataset:
        """A join of each shard with the other dataset's shard of the same number; no row moves.

        `(K, A), (K, B) → (K, A, B)`. Both datasets need the same number of shards and the same
        placement of keys, as after partition(n). Unlike in Glow, rows need not be sorted.
        Go: flow/dataset_join.go.

        >>> flow = Flow()
        >>> left, right = (flow.slice([(n, n * n) for n in r]).partition(3) for r in ([1, 2], [2]))
        >>> left.join_partitioned_sorted(right).collect()
        [(2, 4, 4)]
        """
        from glowpy.flow.ops.join import add_join_partitioned_step

        node = self._of(other, "join_partitioned_sorted")
        return self._made(
            add_join_partitioned_step(self._graph, self._node, node, left_outer, right_outer)
        )

    def broadcast_join(self, other: Dataset, *, left_outer: bool = False) -> Dataset:
        """A join with a small dataset, which is sent to every task; no other row moves.

        `(K, A), (K, B) → (K, A, B)`, in the shards and in the order of this dataset's rows. With
        `left_outer`, rows without a match stay, with None for the other value. Not in Glow.

        >>> flow = Flow()
        >>> orders = flow.slice([("nl", 30), ("at", 20), ("nl", 10)], shards=2)
        >>> orders.broadcast_join(flow.slice([("at", "Austria"), ("nl", "Netherlands")])).collect()
        [('nl', 30, 'Netherlands'), ('at', 20, 'Austria'), ('nl', 10, 'Netherlands')]
        """
        from glowpy.flow.ops.broadcast_join import add_broadcast_join_step

        node = self._of(other, "broadcast_join")
        return self._made(add_broadcast_join_step(self._graph, self._node, node, left_outer))

    def cogroup(self, other: Dataset) -> Dataset:
        """One row per key of either dataset: the key, its values here, and its values there.

        `(K, A), (K, B) → (K, [A], [B])`; a list is empty if a side lacks the key. All values of one
        key have to fit into memory. Go: flow/dataset_cogroup.go.

        >>> flow = Flow()
        >>> left, right = flow.slice([(1, "a"), (2, "b")]), flow.slice([(2, "x"), (2, "y")])
        >>> left.cogroup(right).collect()
        [(1, ['a'], []), (2, ['b'], ['x', 'y'])]
        """
        from glowpy.flow.ops.group import add_cogroup_steps

        node = self._of(other, "cogroup")
        return self._made(add_cogroup_steps(self._graph, self._node, node))

    def cogroup_partitioned_sorted(self, other: Dataset) -> Dataset:
        """A cogroup of each shard with the other dataset's shard of the same number; no row moves.

        `(K, A), (K, B) → (K, [A], [B])`. Both datasets need the same number of shards and the same
        placement of keys, as after partition(n). Unlike in Glow, rows need not be sorted.
        Go: flow/dataset_cogroup.go.

        >>> flow = Flow()
        >>> left, right = (flow.slice([(n, n * n) for n in r]).partition(3) for r in ([1], [1]))
        >>> left.cogroup_partitioned_sorted(right).collect()
        [(1, [1], [1])]
        """
        from glowpy.flow.ops.group import add_cogroup_partitioned_step

        node = self._of(other, "cogroup_partitioned_sorted")
        return self._made(add_cogroup_partitioned_step(self._graph, self._node, node))

    # --- whole shards ---

    def reduce(self, function: Callable[[Row, Row], Row]) -> Dataset:
        """At most one row: `function(a, b)` folds all rows, in row order; no rows give no row.

        `V, V → V`, in one shard. The function should be associative: each shard is folded first,
        then the results of all shards. Go: flow/dataset_reduce.go.

        >>> Flow().slice([1, 2, 3, 4], shards=2).reduce(lambda x, y: x + y).collect()
        [10]
        """
        from glowpy.flow.ops.reduce import add_reduce_steps

        return self._made(add_reduce_steps(self._graph, self._node, function))

    def local_reduce(self, function: Callable[[Row, Row], Row]) -> Dataset:
        """One row for each shard with rows: `function(a, b)` folds the rows, in row order.

        `V, V → V`, in the same number of shards. Go: flow/dataset_reduce.go.

        >>> Flow().slice([1, 2, 3, 4], shards=2).local_reduce(lambda x, y: x + y).collect()
        [3, 7]
        """
        from glowpy.flow.ops.reduce import add_local_reduce_step

        return self._made(add_local_reduce_step(self._graph, self._node, function))

    def merge_reduce(self, function: Callable[[Row, Row], Row]) -> Dataset:
        """At most one row: one task folds the rows of all shards, in shard order.

        `V, V → V`, in one shard. The second half of `reduce`. Go: flow/dataset_reduce.go.

        >>> Flow().slice(["a", "b", "c"], shards=2).merge_reduce(lambda x, y: x + y).collect()
        ['abc']
        """
        from glowpy.flow.ops.reduce import add_merge_reduce_step

        return self._made(add_merge_reduce_step(self._graph, self._node, function))

    def map_partitions(self, function: Callable[..., Iterable[Row]]) -> Dataset:
        """One call for each shard: the function gets an iterator of rows and returns an iterable.

        `[V] → [W]`, both lazy: input rows are read when the function requests them, and output rows
        are processed at once. Code before the function's loop runs once per shard. A second
        required parameter receives the shard's number, from 0. Not in Glow.

        >>> def numbered(rows, shard):
        ...     for place, row in enumerate(rows):
        ...         yield shard, place, row
        >>> Flow().slice("abc", shards=2).map_partitions(numbered).collect()
        [(0, 0, 'a'), (1, 0, 'b'), (1, 1, 'c')]
        """
        from glowpy.flow.ops.map_partitions import add_map_partitions_step

        return self._made(add_map_partitions_step(self._graph, self._node, function))

    def round_robin(self, shards: int) -> Dataset:
        """The same rows dealt to `shards` shards in turn.

        `V → V`. Use it to feed many tasks from few shards, or to even out large shards. Not in
        Glow.

        >>> Flow().slice("abcde").round_robin(2).collect()
        ['a', 'c', 'e', 'b', 'd']
        """
        from glowpy.flow.ops.round_robin import add_round_robin_steps

        return self._made(add_round_robin_steps(self._graph, self._node, shards))

    def coalesce(self, shards: int) -> Dataset:
        """The same rows in at most `shards` shards: consecutive shards are joined.

        `V → V`. Rows keep their order, and a shard stays in one piece, unlike with `round_robin`.
        Use it to get few tasks or files from many small shards. Not in Glow.

        >>> Flow().slice("abcde", shards=5).coalesce(2).local_reduce(lambda x, y: x + y).collect()
        ['ab', 'cde']
        """
        from glowpy.flow.ops.coalesce import add_coalesce_step

        return self._made(add_coalesce_step(self._graph, self._node, shards))

    def limit(self, count: int) -> Dataset:
        """The first `count` rows in shard order, or all if there are fewer, in one shard.

        `V → V`. Each task ends after `count` rows of its shard. `take(count)` runs the flow and
        returns the rows; it computes fewer, because it starts one shard after another. Not in Glow.

        >>> Flow().slice([5, 3, 4, 1], shards=2).limit(3).map(lambda n: n * 10).collect()
        [50, 30, 40]
        """
        from glowpy.flow.ops.limit import add_limit_steps

        return self._made(add_limit_steps(self._graph, self._node, count))

    def union(self, *others: Dataset) -> Dataset:
        """The shards of this dataset, then the shards of the others; no row is moved or dropped.

        `V, V → V`. All datasets must belong to one flow. Not in Glow.

        >>> flow = Flow()
        >>> flow.slice([1, 2]).union(flow.slice([2]), flow.slice("a")).collect()
        [1, 2, 2, 'a']
        """
        from glowpy.flow.ops.union import add_union_step

        nodes = [self._of(other, "union") for other in others]
        return self._made(add_union_step(self._graph, [self._node, *nodes]))

    def sort(
        self,
        key: Callable[..., Any] | None = None,
        *,
        reverse: bool = False,
        shards: int = 1,
    ) -> Dataset:
        """All rows in order; rows with equal keys stay in (shard, position) order.

        `key` gets the row, or its fields as in `map`; `functools.cmp_to_key(f)` orders rows by a
        function of two rows. Without a key, tuples and lists are ordered by their first element,
        other rows by themselves; `key=lambda row: row` orders tuples by all elements. Keys are
        compared by `<`; missing values (NaN, NaT, NA) come last, in ascending and in descending
        order, also as elements of tuples and lists.

        The result has one shard, or `shards` shards of similar size; their rows are in order from
        shard to shard, and equal keys share a shard. Go: flow/dataset_sort.go.

        >>> Flow().slice([(2, "x"), (1, "y"), (2, "a")], shards=2).sort().collect()
        [(1, 'y'), (2, 'x'), (2, 'a')]
        >>> Flow().slice([1.5, float("nan"), 3.0]).sort(reverse=True).collect()
        [3.0, 1.5, nan]

        Raises (when it runs):
            TaskFailed: two keys cannot be compared (`None` and a number), or only in part (sets).
        """
        from glowpy.flow.ops.sort import add_sort_steps
        from glowpy.flow.ops.sort_keys import ordering

        order = ordering(key, reverse, "sort")
        shards = check_shards(shards, "sort")
        if shards == 1:
            return self._made(add_sort_steps(self._graph, self._node, order))

        from glowpy.flow.ops.range_sort import add_range_sort_steps

        return self._made(add_range_sort_steps(self._graph, self._node, order, shards))

    def local_sort(
        self, key: Callable[..., Any] | None = None, *, reverse: bool = False
    ) -> Dataset:
        """Each shard sorted by itself; no row moves. The arguments are the same as for `sort`.

        `V → V`. Go: flow/dataset_sort.go.

        >>> Flow().slice([3, 1, 4, 2], shards=2).local_sort().collect()
        [1, 3, 2, 4]

        Raises (when it runs):
            TaskFailed: two keys cannot be compared.
        """
        from glowpy.flow.ops.sort import add_local_sort_step
        from glowpy.flow.ops.sort_keys import ordering

        order = ordering(key, reverse, "local_sort")
        return self._made(add_local_sort_step(self._graph, self._node, order))

    def merge_sorted(
        self, key: Callable[..., Any] | None = None, *, reverse: bool = False
    ) -> Dataset:
        """All shards merged into one; each must be sorted, as by `local_sort` with these arguments.

        `V → V`. Rows with equal keys are in the order of their shards. An unsorted shard leaves the
        result unsorted. Go: flow/dataset_sort.go.

        >>> Flow().slice([3, 1, 4, 2], shards=2).local_sort().merge_sorted().collect()
        [1, 2, 3, 4]

        Raises (when it runs):
            TaskFailed: two keys cannot be compared.
        """
        from glowpy.flow.ops.sort import add_merge_sorted_step
        from glowpy.flow.ops.sort_keys import ordering

        order = ordering(key, reverse, "merge_sorted")
        return self._made(add_merge_sorted_step(self._graph, self._node, order))

    # --- outputs ---

    def add_output(self, channel: Channel) -> Dataset:
        """Send this dataset's rows to a channel of the driver program; return the dataset itself.

        The rows are sent in each `run()` or `start()` that computes the dataset. After the last row
        the channel is closed; if the run fails, receiving raises the run's error. Rows of an input
        channel are sent while the flow runs, provided that all steps on their way work row by row;
        other datasets are sent once complete, in shard order. Go: flow/dataset_output.go.

        >>> flow, words, lengths = Flow(), Channel(), Channel()
        >>> _ = flow.channel(words).map(len).add_output(lengths)
        >>> handle = flow.start()
        >>> words.send("glow")
        >>> lengths.receive()
        4
        >>> words.close()
        >>> handle.wait()
        """
        from glowpy.flow.ops.channels import add_output

        add_output(self._graph, self._node, channel)
        return self

    # --- terminal calls: each starts a run ---

    def collect(self) -> list[Row]:
        """Compute this dataset and return its rows, in shard order.

        Raises:
            TaskFailed: the user's code raised.
            GlowError: the run failed for another reason.
        """
        rows: list[Row] = self._execute(Terminal.COLLECT)
        return rows

    def count(self) -> int:
        """Compute this dataset and return the number of its rows.

        >>> Flow().slice("abc").count()
        3
        """
        number: int = self._execute(Terminal.COUNT)
        return number

    def take(self, count: int) -> list[Row]:
        """Return the first `count` rows in shard order, or all if there are fewer.

        The run computes little more than these rows: shards are started in order, a task stops at
        the row limit of its shard, which also ends its sources, and tasks still running when
        `count` rows are complete are cancelled.

        >>> from itertools import count
        >>> Flow().source(count, 1).map(lambda n: n * n).take(4)
        [0, 1, 4, 9]
        """
        count = check_row_count(count, "take")
        if not count:
            return []
        rows: list[Row] = self._execute(Terminal.TAKE, limit=count)
        return rows

    def top(self, count: int, key: Callable[..., Any] | None = None) -> list[Row]:
        """Return the `count` largest rows in descending order; of equal rows, the first.

        The result equals `sort(key, reverse=True).take(count)`, with only `count` rows per shard in
        memory. `key` is the same as for `sort`; without a key, whole rows are compared, all
        elements of tuples included. Missing values (NaN, NaT, NA) are returned only if there are
        fewer other rows than `count`. The call adds steps to the flow: in a script, place it above
        `glowpy.ready()`. Not in Glow.

        >>> Flow().slice([3, 1, 4, 1, 5], shards=2).top(2)
        [5, 4]
        >>> Flow().slice([("a", 3), ("b", 1)]).top(1, key=lambda name, number: number)
        [('a', 3)]

        Raises:
            TaskFailed: two keys cannot be compared, or the user's code raised.
        """
        from glowpy.flow.ops.top import add_top_steps

        count = check_row_count(count, "top")
        rows: list[Row] = self._execute_steps(
            Terminal.TOP, lambda: add_top_steps(self._graph, self._node, count, key)
        )
        return rows

    def for_each(self, function: Callable[..., object]) -> None:
        """Compute this dataset and call the function with each row, in the task of the row.

        The function's results are dropped. The call adds a step to the flow: in a script, place it
        above `glowpy.ready()`. In Glow, use a Map without results.

        >>> Flow(["-glow.inline"]).slice("ab", shards=2).for_each(print)
        a
        b
        """
        from glowpy.flow.ops.rowwise import add_for_each_step

        self._execute_steps(
            Terminal.FOR_EACH, lambda: add_for_each_step(self._graph, self._node, function)
        )

    def save_bytes_to_file(self, path: str | os.PathLike[str]) -> None:
        """Compute this dataset and write its rows of bytes to a file, without separators.

        The file is replaced as by `save_text_to_file`, and compressed if its path ends in `.gz`.
        Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
            TaskFailed: a row is not `bytes`, `bytearray` or `memoryview`.
        """
        self._execute(Terminal.SAVE_BYTES, _path(path, "save_bytes_to_file"))

    def save_text_to_file(self, path: str | os.PathLike[str]) -> None:
        """Compute this dataset and write one line per row, `str(row)`, in UTF-8.

        Tasks format the lines; the driver writes the shards in order to a temporary file beside
        `path` and renames the complete file. A path that ends in `.gz` is compressed. For a form
        other than `str(row)`, `map` the rows. The new file keeps the permissions of an existing
        file. Pipes, devices and `/dev/stdout` are written once all rows are complete; a pipe is
        opened before the run starts. Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
        """
        self._execute(Terminal.SAVE_TEXT, _path(path, "save_text_to_file"))

    def run(self) -> None:
        """Compute this dataset and drop its rows. Go: flow/dataset_run.go."""
        self._execute(Terminal.RUN)

    # --- Python's own methods ---

    def __repr__(self) -> str:
        step = self._graph.step_of(self._node)
        count = self._node.shard_count
        return f"<Dataset {step.describe()}, {count} shard{'s' * (count != 1)}>"

    if not TYPE_CHECKING:  # hidden from type checkers, which must report wrong names

        def __getattr__(self, name: str) -> Any:
            from glowpy.flow.other_words import no_attribute

            of_flow = ("channel", "named_channel", "slice", "source", "start", "text_file")
            elsewhere = f"{name}() is a method of its Flow" if name in of_flow else ""
            raise no_attribute("a Dataset", name, dir(Dataset), elsewhere)

        def __iter__(self) -> Any:
            raise _not_computed(
                "a Dataset holds no rows that one could go through: collect() computes them and "
                "returns a list; add_output() and start() send them to a Channel"
            )

        def __contains__(self, row: object) -> Any:
            self.__iter__()  # raised here, because Python would replace our message by its own

        def __len__(self) -> Any:
            raise _not_computed("a Dataset has no length: count() computes the number of rows")

        def __bool__(self) -> bool:
            return True  # without this method, `bool` would call __len__

        def __getitem__(self, key: object) -> Any:
            if isinstance(key, (int, slice)):
                raise _not_computed(
                    "a Dataset holds no rows to pick from: take(n) computes the first n, collect() "
                    "all of them, and returns a list"
                )
            raise _not_computed(
                "a Dataset holds no rows, and its rows have no columns: "
                f"map(lambda row: row[{short_repr(key)}]) selects a field of each row"
            )

        def __sub__(self, _other: object) -> Any:
            raise _not_computed(
                "a Dataset is no number; reduce(f).collect()[0] is the value of reduce(f)"
            )

        __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __sub__
        __lt__ = __le__ = __gt__ = __ge__ = __sub__

        def __add__(self, other: object) -> Any:
            is_start_of_sum = type(other) is int and other == 0
            if not isinstance(other, (Dataset, list, tuple)) and not is_start_of_sum:
                self.__sub__(other)
            raise _not_computed(
                "datasets cannot be added: a.union(b, c) has the rows of all of them, and a.join(b)"
                " their fields side by side"
            )

        __radd__ = __or__ = __ror__ = __add__

    def _repr_mimebundle_(self, **_kinds: object) -> dict[str, str]:
        """What a notebook shows: a picture of the steps, or the plan as text without graphviz."""
        from glowpy.notebook import is_notebook

        if not is_notebook():
            return {}  # a terminal shows the repr
        picture = plan_of(self._graph, self._node, "svg")
        if picture:
            return {"text/plain": repr(self), "image/svg+xml": picture}
        return {"text/plain": f"{self!r}\n{self.explain()}"}

    # --- making datasets and runs ---

    def _made(self, node: DatasetNode) -> Dataset:
        """Return the dataset of a new node."""
        return Dataset(self._graph, node)

    def _of(self, other: object, operator: str) -> DatasetNode:
        """Return the node of another dataset, or raise unless both belong to one flow."""
        if not isinstance(other, Dataset):
            raise definition_error(f"{operator}() needs another dataset, not {other!r:.100}")
        if other._graph is not self._graph:
            raise definition_error(
                f"{operator}() needs two datasets of one flow, but this one belongs to the flow of "
                f"{self._graph.location}, the other to the flow of {other._graph.location}; make "
                "both from one `flow = Flow()`, or pass the rows of the other through "
                "flow.slice(other.collect())"
            )
        return other._node

    def _execute(self, terminal: Terminal, path: str = "", limit: int = 0) -> Any:
        return execute(
            Call(
                graph=self._graph, datasets=(self._node,), terminal=terminal, path=path, limit=limit
            )
        )

    def _execute_steps(self, terminal: Terminal, add_steps: Callable[[], DatasetNode]) -> Any:
        """Execute a terminal call with extra steps, which later runs skip."""
        first = len(self._graph.steps)
        node = add_steps()
        self._graph.made_by_call(first)
        return execute(Call(graph=self._graph, datasets=(node,), terminal=terminal))

    def _row_step(self, kind: RowKind, function: Callable[..., Any]) -> Dataset:
        from glowpy.flow.ops.rowwise import add_row_step

        return self._made(add_row_step(self._graph, self._node, kind, function))

    def _joined(
        self, other: Dataset, operator: str, *, left_outer: bool = False, right_outer: bool = False
    ) -> Dataset:
        from glowpy.flow.ops.join import add_join_steps

        node = add_join_steps(
            self._graph,
            self._node,
            self._of(other, operator),
            operator,
            left_outer=left_outer,
            right_outer=right_outer,
        )
        return self._made(node)


def _path(path: str | os.PathLike[str], operator: str) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise definition_error(f"{operator}() needs a path, not {path!r}")
    if os.fspath(path).endswith("/"):
        raise definition_error(
            f"{operator}() writes one file, but {os.fspath(path)!r} names a folder; "
            "docs/recipes.md (One file per shard) shows how to write a file per shard"
        )
    return os.fspath(path)


def _not_computed(text: str) -> NotComputed:
    return NotComputed(f"{user_location()}: {text}")
