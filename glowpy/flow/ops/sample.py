"""sample: a part of the rows, drawn by lot (Glow has none)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Real

from glowpy.flow.arguments import definition_error, whole_number
from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Stream, TaskContext, chain


def add_sample_step(graph: Graph, source: DatasetNode, fraction: float, seed: int) -> DatasetNode:
    """Append a Sample step. Rows that stay keep their places, so that all marks stay too."""
    if not isinstance(fraction, Real) or not 0 <= fraction <= 1:  # NaN is neither
        raise definition_error(f"sample() needs a fraction from 0 to 1, not {fraction!r}")
    number = whole_number(seed)
    if number is None:
        raise definition_error(f"sample() needs a whole number as its seed, not {seed!r}")
    return graph.add_step(
        "Sample",
        BatchOp(partial(sample, float(fraction), number), is_streaming=True),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
        partitioned_by_key=source.partitioned_by_key,
        sorted_by_key=source.sorted_by_key,
    )


def sample(
    fraction: float, seed: int, context: TaskContext, edges: Sequence[Sequence[Stream]]
) -> Stream:
    """The rows whose lots are below the fraction; each row's lot is that of its place.

    The lots are a sequence of their own for each seed and shard: any attempt draws the same.
    """
    from random import Random

    # A text as seed is hashed by SHA-512, under each PYTHONHASHSEED.
    lot = Random(f"{seed} {context.task}").random
    for batch in chain(edges[0]):
        yield [row for row in batch if lot() < fraction]
