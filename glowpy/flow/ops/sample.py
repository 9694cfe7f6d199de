"""sample: a random part of the rows (not in Glow)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Real

from glowpy.flow.arguments import definition_error, whole_number
from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import BatchOp, Stream, TaskContext, chain


def add_sample_step(graph: Graph, source: DatasetNode, fraction: float, seed: int) -> DatasetNode:
    """Append a Sample step. The remaining rows keep their order, and the dataset its marks."""
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
    """Yield the rows whose random numbers are below the fraction.

    Each seed and shard has a sequence of random numbers, the same in every attempt.
    """
    from random import Random

    # Random hashes a text by SHA-512, independent of PYTHONHASHSEED.
    lot = Random(f"{seed} {context.task}").random
    for batch in chain(edges[0]):
        yield [row for row in batch if lot() < fraction]
