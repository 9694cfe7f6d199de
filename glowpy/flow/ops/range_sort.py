"""sort into many shards, each a range of the keys (Glow's sorts end in one shard).

LocalSort      each shard in order LocalSample    some keys of each shard, evenly spaced MergeSample
the bounds between ranges with about the same number of rows RangeScatter   each sorted shard, cut
at the bounds MergeSorted    the rows of each range from all shards, merged

Rows with equal keys share a range, however many they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from glowpy.flow.graph import (
    ALL_TO_ONE,
    BROADCAST,
    COLLECT,
    ONE_TO_ONE,
    DatasetNode,
    Graph,
    OutputKind,
)
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Batch, BatchOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.merging import end_of
from glowpy.flow.ops.ordering import NoOrder, is_plain, positions_in_order
from glowpy.flow.ops.sort import KEYS_OF_SHARDS, add_keyed_sort_step, cannot_order, merge_sorted
from glowpy.flow.ops.sort_keys import Ordering

_FEWEST_SAMPLED = 200  # keys of a shard, if the shard has enough
_SAMPLED_PER_RANGE = 100  # keys of all shards


def add_range_sort_steps(
    graph: Graph, source: DatasetNode, order: Ordering, shards: int
) -> DatasetNode:
    """Append the steps of a sort into `shards` shards, whose rows are in order shard by shard."""
    location = user_location()
    tasks = source.shard_count
    local = add_keyed_sort_step(graph, source, order)
    count = _FEWEST_SAMPLED + _SAMPLED_PER_RANGE * shards // tasks
    sampled = graph.add_step(
        "LocalSample",
        BatchOp(partial(sample_kernel, order, count)),
        ((local, ONE_TO_ONE),),
        location,
        task_count=tasks,
    )
    bounds = graph.add_step(
        "MergeSample",
        BatchOp(partial(bounds_kernel, order, shards)),
        ((sampled, ALL_TO_ONE),),
        location,
        task_count=1,
    )
    scattered = graph.add_step(
        "RangeScatter",
        BatchOp(partial(scatter_kernel, order)),
        ((local, ONE_TO_ONE), (bounds, BROADCAST)),
        location,
        task_count=tasks,
        shard_count=tasks * shards,
        part_count=shards,
        output_kind=OutputKind.PLACED,
    )
    return graph.add_step(
        "MergeSorted",
        BatchOp(partial(merge_sorted, order)),
        ((scattered, COLLECT),),
        location,
        task_count=shards,
    )


def sample_kernel(
    order: Ordering, count: int, _context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Yield one row: evenly spaced keys of the shard, and the number of rows per key."""
    sampled: Batch = []
    spacing, seen = 1, 0
    for batch in chain(edges[0]):
        sampled += order.packed_keys_of(batch)[-seen % spacing :: spacing]
        seen += len(batch)
        while len(sampled) >= 2 * count:
            sampled = sampled[::2]
            spacing *= 2
    yield [(spacing, sampled)]


def bounds_kernel(
    order: Ordering, shards: int, _context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Yield one row: the first keys of the second range and of each later range."""
    weighed = [
        (key, spacing) for batch in chain(edges[0]) for spacing, sampled in batch for key in sampled
    ]
    keys = order.unpacked([key for key, _ in weighed])
    try:
        positions = positions_in_order(keys, reverse=order.reverse, plain=is_plain(keys))
    except NoOrder as exc:
        raise cannot_order(exc, KEYS_OF_SHARDS) from exc.reason
    total = sum(spacing for _, spacing in weighed)
    bounds: list[Row] = []
    before = 0
    for key, spacing in map(weighed.__getitem__, positions):
        while len(bounds) + 1 < shards and before * shards >= total * (len(bounds) + 1):
            bounds.append(key)
        before += spacing
    yield [bounds]


def scatter_kernel(
    order: Ordering, _context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """Yield rows as (number of the range, row).

    Raises (when drawn from):
        RowError: a key and a bound cannot be compared.
    """
    rows, broadcast = edges
    bounds = [bound for batch in chain(broadcast) for some in batch for bound in some]
    bounds = order.unpacked(bounds)
    are_bounds_plain = is_plain(bounds)
    part = 0
    for batch in chain(rows):
        keys = order.keys_of(batch)
        plain = are_bounds_plain and is_plain(keys)
        placed: Batch = []
        position = 0
        while part < len(bounds):
            try:
                end = end_of(
                    keys, position, bounds[part], False, reverse=order.reverse, plain=plain
                )
            except NoOrder as exc:
                raise cannot_order(exc, KEYS_OF_SHARDS) from exc.reason
            placed += [(part, row) for row in batch[position:end]]
            position = end
            if end == len(keys):
                break
            part += 1
        placed += [(part, row) for row in batch[position:]]
        yield placed
