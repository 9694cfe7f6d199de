"""The methods of a dataset that fold, sort or redistribute whole shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from glowpy.flow.arguments import check_shards
from glowpy.flow.handle import D, Handle
from glowpy.flow.ops.kernel import Row


class ShardSteps(Handle):
    """Operators on whole shards."""

    __slots__ = ()

    def reduce(self: D, function: Callable[[Row, Row], Row]) -> D:
        """At most one row: `function(a, b)` folds all rows, in row order; no rows give no row.

        `V, V → V`, in one shard. The function should be associative: each shard is folded first,
        then the results of all shards. Go: flow/dataset_reduce.go.

        >>> Flow().slice([1, 2, 3, 4], shards=2).reduce(lambda x, y: x + y).collect()
        [10]
        """
        from glowpy.flow.ops.reduce import add_reduce_steps

        return self._made(add_reduce_steps(self._graph, self._node, function))

    def local_reduce(self: D, function: Callable[[Row, Row], Row]) -> D:
        """One row for each shard with rows: `function(a, b)` folds the rows, in row order.

        `V, V → V`, in the same number of shards. Go: flow/dataset_reduce.go.

        >>> Flow().slice([1, 2, 3, 4], shards=2).local_reduce(lambda x, y: x + y).collect()
        [3, 7]
        """
        from glowpy.flow.ops.reduce import add_local_reduce_step

        return self._made(add_local_reduce_step(self._graph, self._node, function))

    def merge_reduce(self: D, function: Callable[[Row, Row], Row]) -> D:
        """At most one row: one task folds the rows of all shards, in shard order.

        `V, V → V`, in one shard. The second half of `reduce`. Go: flow/dataset_reduce.go.

        >>> Flow().slice(["a", "b", "c"], shards=2).merge_reduce(lambda x, y: x + y).collect()
        ['abc']
        """
        from glowpy.flow.ops.reduce import add_merge_reduce_step

        return self._made(add_merge_reduce_step(self._graph, self._node, function))

    def map_partitions(self: D, function: Callable[..., Iterable[Row]]) -> D:
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

    def round_robin(self: D, shards: int) -> D:
        """The same rows dealt to `shards` shards in turn.

        `V → V`. Use it to feed many tasks from few shards, or to even out large shards. Not in
        Glow.

        >>> Flow().slice("abcde").round_robin(2).collect()
        ['a', 'c', 'e', 'b', 'd']
        """
        from glowpy.flow.ops.round_robin import add_round_robin_steps

        return self._made(add_round_robin_steps(self._graph, self._node, shards))

    def coalesce(self: D, shards: int) -> D:
        """The same rows in at most `shards` shards: consecutive shards are joined.

        `V → V`. Rows keep their order, and a shard stays in one piece, unlike with `round_robin`.
        Use it to get few tasks or files from many small shards. Not in Glow.

        >>> Flow().slice("abcde", shards=5).coalesce(2).local_reduce(lambda x, y: x + y).collect()
        ['ab', 'cde']
        """
        from glowpy.flow.ops.coalesce import add_coalesce_step

        return self._made(add_coalesce_step(self._graph, self._node, shards))

    def limit(self: D, count: int) -> D:
        """The first `count` rows in shard order, or all if there are fewer, in one shard.

        `V → V`. Each task ends after `count` rows of its shard. `take(count)` runs the flow and
        returns the rows; it computes fewer, because it starts one shard after another. Not in Glow.

        >>> Flow().slice([5, 3, 4, 1], shards=2).limit(3).map(lambda n: n * 10).collect()
        [50, 30, 40]
        """
        from glowpy.flow.ops.limit import add_limit_steps

        return self._made(add_limit_steps(self._graph, self._node, count))

    def union(self: D, *others: D) -> D:
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
        self: D,
        key: Callable[..., Any] | None = None,
        *,
        reverse: bool = False,
        shards: int = 1,
    ) -> D:
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

    def local_sort(self: D, key: Callable[..., Any] | None = None, *, reverse: bool = False) -> D:
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

    def merge_sorted(self: D, key: Callable[..., Any] | None = None, *, reverse: bool = False) -> D:
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
