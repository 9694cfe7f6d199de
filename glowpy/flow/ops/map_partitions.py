"""map_partitions: one call of the user's function for a whole shard (not in Glow)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain as chained
from typing import Any

from glowpy.errors import RowError, short_repr
from glowpy.flow.arguments import check_not_async, check_shard_function
from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Row, Stream, TaskContext, chain
from glowpy.flow.ops.memory import batches_from

ShardFunction = Callable[..., Iterable[Row]]


def add_map_partitions_step(
    graph: Graph, source: DatasetNode, function: ShardFunction
) -> DatasetNode:
    """Append a MapPartitions step, whose rows have no known order or partitioning."""
    takes_number = check_shard_function(function, "map_partitions")
    check_not_async(function, "map_partitions")
    return graph.add_step(
        "MapPartitions",
        BatchOp(partial(map_partitions, function, takes_number), is_streaming=True),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
    )


def map_partitions(
    function: ShardFunction,
    takes_number: bool,
    context: TaskContext,
    edges: Sequence[Sequence[Stream]],
) -> Stream:
    """Yield the output of the function for the rows of a shard, lazily."""
    upstream: list[BaseException] = []
    rows = chained.from_iterable(_noting(chain(edges[0]), upstream))
    try:
        given: Any = function(rows, context.task) if takes_number else function(rows)
        made = _iterated(given)
        batches = (
            _one_by_one(made) if context.is_streaming else batches_from(made, context.wanted_rows)
        )
        for batch in batches:
            if upstream:
                break
            yield batch
    except Exception:
        if not upstream:
            raise
    if upstream:
        # The function has caught an exception of an earlier step, or raised another instead.
        raise upstream[0]


def _one_by_one(rows: Iterator[Row]) -> Stream:
    """Yield single rows: before its next row, the function may wait long for input."""
    for row in rows:
        yield [row]


def _noting(stream: Stream, failures: list[BaseException]) -> Stream:
    """Yield the same batches, and record the exception of an earlier step."""
    try:
        yield from stream
    except GeneratorExit:
        raise
    except BaseException as exc:
        failures.append(exc)
        raise


def _iterated(given: Any) -> Iterator[Row]:
    try:
        return iter(given)
    except TypeError as exc:
        raise RowError(
            "map_partitions() needs an iterable of rows from its function, but got "
            f"{short_repr(given)}; for no rows return []"
        ) from exc
