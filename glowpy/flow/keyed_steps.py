"""The methods of a dataset that group its rows by key."""

from __future__ import annotations

from collections.abc import Callable

from glowpy.flow.handle import D, Handle
from glowpy.flow.ops.kernel import Row


class KeyedSteps(Handle):
    """Operators on keys. The key of a row is the first element of a tuple or list, else the row."""

    __slots__ = ()

    def reduce_by_key(self: D, function: Callable[[Row, Row], Row], shards: int | None = None) -> D:
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

    def local_reduce_by_key(self: D, function: Callable[[Row, Row], Row]) -> D:
        """One row per key and shard: each shard is reduced by itself, and no row moves.

        `(K, V) → (K, V)`, each shard in key order if its keys have a total order. Go:
        flow/dataset_reduce.go.

        >>> pairs = [("b", 1), ("a", 2), ("b", 3), ("b", 4)]
        >>> Flow().slice(pairs, shards=2).local_reduce_by_key(lambda x, y: x + y).collect()
        [('a', 2), ('b', 1), ('b', 7)]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.by_key import add_local_reduce_by_key_step

        return self._made(add_local_reduce_by_key_step(self._graph, self._node, function))

    def reduce_by_user_defined_key(
        self: D, key: Callable[[Row], Row], function: Callable[[Row, Row], Row]
    ) -> D:
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

    def group_by_key(self: D) -> D:
        """One row per key: the key and the list of its values, in row order.

        `(K, V) → (K, [V])`, in the same number of shards, each in key order if its keys have a
        total order. Keys must be hashable. All values of one key have to fit into memory. Go:
        flow/dataset_cogroup.go.

        >>> pairs = [("b", 1), ("a", 2), ("b", 3)]
        >>> Flow().slice(pairs).group_by_key().collect()
        [('a', [2]), ('b', [1, 3])]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.group import add_group_by_key_steps

        return self._made(add_group_by_key_steps(self._graph, self._node))

    def local_group_by_key(self: D) -> D:
        """One row per key and shard: each shard is grouped by itself, and no row moves.

        `(K, V) → (K, [V])`, each shard in key order if its keys have a total order. Go:
        flow/dataset_cogroup.go.

        >>> Flow().slice([(1, "a"), (1, "b"), (1, "c")], shards=2).local_group_by_key().collect()
        [(1, ['a']), (1, ['b', 'c'])]

        Raises (when it runs):
            RowError: a row is not a pair, or a key cannot be hashed.
        """
        from glowpy.flow.ops.group import add_local_group_by_key_step

        return self._made(add_local_group_by_key_step(self._graph, self._node))

    def partition(self: D, shards: int) -> D:
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

    def distinct(self: D) -> D:
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
