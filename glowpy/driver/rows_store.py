"""The driver's own shard store: rows of slices, sealed before the run begins, and of channels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from glowpy.errors import RowError
from glowpy.flow.graph import DatasetNode
from glowpy.flow.ops.kernel import Batch, deal_round_robin
from glowpy.flow.ops.memory import batches_of
from glowpy.flow.ops.source import slice_shard
from glowpy.planner.plan import Plan
from glowpy.secret import Secret
from glowpy.shards.codec import encode
from glowpy.shards.pull import Send, ShardIndex
from glowpy.shards.segment import NONCE_BYTES, Block, SegmentWriter

_BLOCK_BYTES = 1 << 20


class RowsStore:
    """Shards served by the driver; their attempt number is their dataset's number.

    Args:
        secret: of the run, known to readers; None: all readers are in this process.
        serve: sends messages of the index to waiting readers.
    """

    def __init__(
        self,
        run: str,
        secret: Secret | None,
        directory: str,
        index: ShardIndex,
        serve: Callable[[Iterable[Send]], None],
    ) -> None:
        self._run = run
        self._secret = secret
        self._directory = directory
        self._index = index
        self._serve = serve

    def keep_slices(self, plan: Plan) -> None:
        """Write the rows of every slice of a plan.

        Raises:
            RowError: a row cannot be pickled, names its slice; OutputError: the disk takes no more.
        """
        for dataset in plan.kept_by_driver():
            if dataset.rows is not None:
                with self.open_journal(dataset) as kept:
                    for shard in range(dataset.shard_count):
                        try:
                            kept.append(shard, list(slice_shard(dataset, shard)))
                        except RowError as exc:
                            raise of_slice(plan, dataset, exc) from exc
                    kept.seal()

    def open_journal(self, dataset: DatasetNode) -> Journal:
        """Open the journal of a slice or channel, whose rows are readable at once."""
        return Journal(dataset, self._run, self._secret, self._directory, self._index, self._serve)


def of_slice(plan: Plan, dataset: DatasetNode, error: RowError) -> RowError:
    """Return the error of a row, extended by the name of its slice."""
    return RowError(f"{plan.reader_of(dataset).describe()}, a slice: {error}")


class Journal:
    """The shards of one dataset, on disk. A context manager."""

    def __init__(
        self,
        dataset: DatasetNode,
        run: str,
        secret: Secret | None,
        directory: str,
        index: ShardIndex,
        serve: Callable[[Iterable[Send]], None],
    ) -> None:
        self._attempt = dataset.id
        self._shard_count = dataset.shard_count
        self._run = run
        self._index = index
        self._serve = serve
        self._next_shard = 0  # of the next row
        nonce = os.urandom(NONCE_BYTES)
        path = os.path.join(directory, f"rows-{dataset.id}.seg")
        self._writer = SegmentWriter(path, nonce)
        index.open(run, dataset.id, path, nonce, secret)

    def deal(self, rows: Batch) -> None:
        """Add rows, round robin to the shards.

        Raises:
            RowError: a row cannot be pickled; OutputError: the disk is full.
        """
        for shard, some in deal_round_robin(rows, self._next_shard, self._shard_count):
            self.write(shard, some)
        self._next_shard = (self._next_shard + len(rows)) % self._shard_count

    def write(self, shard: int, rows: Batch) -> None:
        """Add rows to a shard and serve waiting readers.

        Raises:
            RowError: a row cannot be pickled; OutputError: the disk is full.
        """
        blocks = self._blocks(shard, rows)
        self._writer.flush()
        self._serve(self._index.commit(self._run, self._attempt, blocks))

    def append(self, shard: int, rows: Batch) -> None:
        """Add rows to a shard that has no reader before its seal. Raises: same as `write`."""
        self._index.commit(self._run, self._attempt, self._blocks(shard, rows))

    def _blocks(self, shard: int, rows: Batch) -> list[Block]:
        return [
            self._writer.append(shard, encode(some), len(some))
            for some in batches_of(rows, _BLOCK_BYTES)
        ]

    def seal(self) -> None:
        """Mark the end of every shard."""
        self._writer.flush()
        self._serve(self._index.seal(self._run, self._attempt))

    def close(self) -> None:
        self._writer.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
