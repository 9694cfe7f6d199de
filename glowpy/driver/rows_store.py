"""The driver's own shard store: the rows of slices, sealed before the run begins."""

from __future__ import annotations

import os

from glowpy.flow.graph import DatasetNode
from glowpy.flow.ops.memory import batches_of
from glowpy.flow.ops.source import slice_shard
from glowpy.planner.plan import Plan
from glowpy.shards.codec import encode
from glowpy.shards.pull import ShardIndex
from glowpy.shards.segment import NONCE_BYTES, SegmentWriter

_BLOCK_BYTES = 1 << 20


def store_slices(plan: Plan, run: str, directory: str, index: ShardIndex) -> None:
    """Write the rows of every slice of a plan, each slice as the attempt of its dataset's number.

    Raises:
        RowError: a row cannot be pickled; OutputError: the disk takes no more.
    """
    edges = (edge for step_group in plan.step_groups for edge in step_group.inputs)
    stored: set[int] = set()
    for edge in edges:
        if edge.source < 0 and edge.dataset.id not in stored:
            stored.add(edge.dataset.id)
            _store(edge.dataset, run, directory, index)


def _store(dataset: DatasetNode, run: str, directory: str, index: ShardIndex) -> None:
    nonce = os.urandom(NONCE_BYTES)
    path = os.path.join(directory, f"rows-{dataset.id}.seg")
    index.open(run, dataset.id, path, nonce)
    with SegmentWriter(path, nonce) as writer:
        for shard in range(dataset.shard_count):
            rows = slice_shard(dataset, shard)
            for some in batches_of(list(rows), _BLOCK_BYTES):
                block = writer.append(shard, encode(some), len(some))
                index.commit(run, dataset.id, [block])
        writer.flush()
    index.seal(run, dataset.id)
