"""The output of a task group: rows are counted and dropped, or encoded into blocks of shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from glowpy.errors import OutputError, RowError, short_repr, unexpected
from glowpy.flow.graph import SCATTERED, OutputKind, Step
from glowpy.flow.ops.kernel import Batch, deal_round_robin
from glowpy.flow.ops.memory import size_of
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import Sink
from glowpy.shards.codec import encode
from glowpy.shards.segment import Block, SegmentWriter
from glowpy.task.failure import NO_ROW, StepFailed
from glowpy.task.metrics import AttemptMetrics

if TYPE_CHECKING:
    from glowpy.task.partitioning import KeyPartitioner

_BLOCK_BYTES = 1 << 20
_BUFFER_BYTES = 4 << 20  # of all shards of a group together
_MOST_BUFFERED_BYTES = 16 << 20  # size in Python's memory, several times the encoded size
_FIRST_ROWS = 64  # while the size of rows is unknown
_MOST_ROWS = 8192


class ShardWriter:
    """Writes the batches of one attempt; calls `commit` with readable blocks."""

    def __init__(
        self,
        plan: Plan,
        group: int,
        sink: Sink,
        segment: SegmentWriter,
        commit: Callable[[Sequence[Block]], None],
        metrics: AttemptMetrics,
        hash_seed: int = 0,
    ) -> None:
        task_group = plan.task_group(group)
        step_group = task_group.step_group
        self._step = step_group.steps[-1]
        self._is_stored = step_group.is_stored
        self._sink = sink if step_group.output in plan.targets else Sink.ROWS
        self._kind = step_group.output.output_kind
        self._shards = task_group.writes
        self._segment = segment
        self._commit = commit
        self._metrics = metrics
        self._buffers: list[Batch] = [[] for _ in self._shards] if self._is_stored else []
        self._buffered = 0
        self._buffered_bytes = 0  # estimated memory of the buffers
        # a batch of text is stored as one row
        self._target_rows = 1 if self._sink is Sink.TEXT else _FIRST_ROWS
        # Start at different shards: many short tasks would make the first shard long.
        self._next_part = self._shards.start % len(self._shards)
        self._blocks: list[Block] = []
        self._partitioner: KeyPartitioner | None = None
        if self._is_stored and self._kind in SCATTERED and len(self._shards) > 1:
            from glowpy.task.partitioning import KeyPartitioner

            self._partitioner = KeyPartitioner(self._kind, len(self._shards), hash_seed)

    def write(self, batch: Batch) -> None:
        """Store a batch of the last step's rows.

        Raises:
            StepFailed: a row cannot be encoded, or its key not hashed; names the step.
            OutputError: the segment file cannot be written.
        """
        if not batch:
            return
        self._metrics.rows_out += len(batch)
        if not self._is_stored:
            return
        with self._blaming():
            rows = self._written(batch)
            self._buffered_bytes += len(rows) * size_of(rows[-1])
            self._route(rows)
            if self._buffered < self._target_rows and self._buffered_bytes < _MOST_BUFFERED_BYTES:
                return
            self._encode()
        if sum(block.length_bytes for block in self._blocks) >= _BLOCK_BYTES:
            self._segment.flush()
            self._commit(self._blocks)
            self._blocks = []

    def flush(self) -> None:
        """Commit every row written so far, because the next row may take long to arrive."""
        blocks = self.finish()
        if blocks:
            self._commit(blocks)

    def finish(self) -> list[Block]:
        """Write the buffered rows, and return the uncommitted blocks."""
        if self._buffered:
            with self._blaming():
                self._encode()
        if self._partitioner is not None and self._partitioner.is_own:
            with self._blaming():
                payload = encode(self._partitioner.samples())
            self._blocks += [self._segment.append(shard, payload, 0) for shard in self._shards]
        self._segment.flush()
        blocks, self._blocks = self._blocks, []
        return blocks

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        """Turn exceptions from the rows' own code into failures of the step that made the rows."""
        try:
            yield
        except (StepFailed, OutputError):
            raise
        except BaseException as exc:
            # Hashing and encoding run the rows' own code: __hash__, __ne__, __reduce__, __repr__.
            raise StepFailed(self._step, NO_ROW, exc) from exc

    def _route(self, batch: Batch) -> None:
        buffers = self._buffers
        self._buffered += len(batch)
        if self._kind is OutputKind.PLACED:
            for part, row in batch:
                buffers[part].append(row)
        elif len(buffers) == 1 or self._kind is OutputKind.ONE_SHARD:
            buffers[0] += batch  # a task with several shards writes their rows in shard order
        elif self._kind is OutputKind.DEAL:
            for part, rows in deal_round_robin(batch, self._next_part, len(buffers)):
                buffers[part] += rows
            self._next_part = (self._next_part + len(batch)) % len(buffers)
        elif self._kind is OutputKind.SCATTER or self._kind is OutputKind.SCATTER_ROWS:
            assert self._partitioner is not None
            for part, row in zip(self._partitioner.parts(batch), batch, strict=True):
                buffers[part].append(row)
        else:
            unexpected(self._kind)

    def _encode(self) -> None:
        """Encode all buffered rows into blocks."""
        written = 0
        for shard, rows in zip(self._shards, self._buffers, strict=True):
            for first in range(0, len(rows), self._target_rows):
                some = rows[first : first + self._target_rows]
                if self._partitioner is not None:
                    some = self._partitioner.marked(some)
                payload = encode(some)
                written += len(payload)
                self._blocks.append(self._segment.append(shard, payload, len(some)))
            rows.clear()
        row_bytes = written / self._buffered
        limit = _BLOCK_BYTES if len(self._buffers) == 1 else _BUFFER_BYTES
        self._target_rows = max(1, min(int(limit / row_bytes), _MOST_ROWS * len(self._buffers)))
        self._buffered = self._buffered_bytes = 0
        self._metrics.bytes_out += written

    def _written(self, batch: Batch) -> Batch:
        """Return the stored form of a batch."""
        if self._sink is Sink.TEXT:
            return [text_of(self._step, batch)]
        if self._sink is Sink.BYTES:
            return bytes_of(self._step, batch)
        return batch


def text_of(step: Step, batch: Batch) -> bytes:
    """Return the rows as text, one line of `str(row)` each, in UTF-8.

    Raises:
        StepFailed: a row has no text, or no UTF-8 form.
    """
    row: Any = NO_ROW
    lines: list[str] = []
    try:
        for row in batch:
            lines.append(row if row.__class__ is str else str(row))
    except BaseException as exc:
        raise StepFailed(step, row, exc) from exc
    try:
        return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        raise StepFailed(step, _row_at(exc.start, batch, lines), exc) from exc


def bytes_of(step: Step, batch: Batch) -> Batch:
    """Return the batch with each row as `bytes`.

    Raises:
        StepFailed: a row is not bytes-like.
    """
    for row in batch:
        if not isinstance(row, (bytes, bytearray, memoryview)):
            cause = RowError(
                f"save_bytes_to_file needs rows of bytes, but got {short_repr(row)}; "
                "for text there is save_text_to_file()"
            )
            raise StepFailed(step, row, cause)
    return [bytes(row) for row in batch]


def _row_at(position: int, batch: Batch, lines: Sequence[str]) -> Any:
    """Return the row whose line contains the character at `position` of the joined lines."""
    for row, line in zip(batch, lines, strict=True):
        position -= len(line) + 1
        if position < 0:
            return row
    return NO_ROW
