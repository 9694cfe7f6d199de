"""The methods of a dataset that combine its rows with rows of another dataset by key."""

from __future__ import annotations

from typing import TypeVar

from glowpy.flow.handle import Handle

D = TypeVar("D", bound="JoinSteps")


class JoinSteps(Handle):
    """Joins of (key, value) pairs with hashable keys. NaN keys match nothing.

    The result has as many shards as this dataset. A shard is in key order if all its keys, of both
    sides, have a total order; the rows of a key are in the order of their left rows, then of their
    right rows. The key of a result row is the left key, for example if 1 matches 1.0.

    When a run computes the result, all methods raise:
        RowError: a row is not a pair, or a key cannot be hashed.
    """

    __slots__ = ()

    def join(self: D, other: D) -> D:
        """Every pair of a row of this dataset and a row of the other dataset with equal keys.

        `(K, A), (K, B) → (K, A, B)`. Go: flow/dataset_join.go.

        >>> flow = Flow()
        >>> ages = flow.slice([("ann", 31), ("bob", 25), ("cy", 4)])
        >>> towns = flow.slice([("bob", "Rome"), ("ann", "Oslo"), ("ann", "Bonn")])
        >>> ages.join(towns).collect()
        [('ann', 31, 'Oslo'), ('ann', 31, 'Bonn'), ('bob', 25, 'Rome')]
        """
        return self._joined(other, "join")

    def left_outer_join(self: D, other: D) -> D:
        """A join that keeps rows of this dataset without a match, with None for the other value.

        `(K, A), (K, B) → (K, A, B | None)`. Glow has it as a flag of JoinPartitionedSorted.

        >>> flow = Flow()
        >>> left, right = flow.slice([(1, "a"), (2, "b")]), flow.slice([(2, "x"), (3, "y")])
        >>> left.left_outer_join(right).collect()
        [(1, 'a', None), (2, 'b', 'x')]
        """
        return self._joined(other, "left_outer_join", left_outer=True)

    def right_outer_join(self: D, other: D) -> D:
        """A join that keeps rows of the other dataset without a match, with None as the value here.

        `(K, A), (K, B) → (K, A | None, B)`. Glow has it as a flag of JoinPartitionedSorted.

        >>> flow = Flow()
        >>> left, right = flow.slice([(1, "a"), (2, "b")]), flow.slice([(2, "x"), (3, "y")])
        >>> left.right_outer_join(right).collect()
        [(2, 'b', 'x'), (3, None, 'y')]
        """
        return self._joined(other, "right_outer_join", right_outer=True)

    def full_outer_join(self: D, other: D) -> D:
        """A join that keeps rows of both datasets without a match, with None for the missing value.

        `(K, A), (K, B) → (K, A | None, B | None)`.

        >>> flow = Flow()
        >>> left, right = flow.slice([(1, "a"), (2, "b")]), flow.slice([(2, "x"), (3, "y")])
        >>> left.full_outer_join(right).collect()
        [(1, 'a', None), (2, 'b', 'x'), (3, None, 'y')]
        """
        return self._joined(other, "full_outer_join", left_outer=True, right_outer=True)

    def join_partitioned_sorted(
        self: D, other: D, *, left_outer: bool = False, right_outer: bool = False
    ) -> D:
        """A join of each shard with the other dataset's shard of the same number; no row moves.

        `(K, A), (K, B) → (K, A, B)`. Both datasets need the same number of shards and the same
        placement of keys, as after partition(n). Unlike in Glow, rows need not be sorted. Go:
        flow/dataset_join.go.

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

    def broadcast_join(self: D, other: D, *, left_outer: bool = False) -> D:
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

    def cogroup(self: D, other: D) -> D:
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

    def cogroup_partitioned_sorted(self: D, other: D) -> D:
        """A cogroup of each shard with the other dataset's shard of the same number; no row moves.

        `(K, A), (K, B) → (K, [A], [B])`. Both datasets need the same number of shards and the same
        placement of keys, as after partition(n). Unlike in Glow, rows need not be sorted. Go:
        flow/dataset_cogroup.go.

        >>> flow = Flow()
        >>> left, right = (flow.slice([(n, n * n) for n in r]).partition(3) for r in ([1], [1]))
        >>> left.cogroup_partitioned_sorted(right).collect()
        [(1, [1], [1])]
        """
        from glowpy.flow.ops.group import add_cogroup_partitioned_step

        node = self._of(other, "cogroup_partitioned_sorted")
        return self._made(add_cogroup_partitioned_step(self._graph, self._node, node))

    def _joined(
        self: D, other: D, operator: str, *, left_outer: bool = False, right_outer: bool = False
    ) -> D:
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
