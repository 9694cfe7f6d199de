"""What a running task offers its kernels: its place, its budget, its temporary files."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from glowpy.flow.ops.kernel import Batch, Scratch, Stream
from glowpy.record import NamedTuple
from glowpy.shards.codec import decode, encode
from glowpy.shards.segment import NONCE_BYTES, Block, SegmentReader, SegmentWriter
from glowpy.task.metrics import AttemptMetrics

_UNREAD = AttemptMetrics()  # of a context whose counts are not read


def _never_cancelled() -> None:
    """The check of tasks that cannot be stopped."""


class Context(NamedTuple):
    """Implements `flow.ops.kernel.TaskContext` for one attempt of one task group."""

    task: int
    task_count: int
    budget_bytes: int
    directory: str  # temporary files of this attempt go here
    metrics: AttemptMetrics = _UNREAD
    wanted_rows: int = 0
    is_streaming: bool = False
    hash_seed: int = 0
    check_cancelled: Callable[[], None] = (
        _never_cancelled  # now and then; may raise to stop the attempt
    )

    def scratch(self) -> Scratch:
        """A new temporary file of this task. Nothing of it is left when the task ends."""
        return ScratchFile(
            os.path.join(self.directory, f"scratch-{os.urandom(8).hex()}"), self.metrics
        )


class ScratchFile:
    """Implements `flow.ops.kernel.Scratch`: a segment file that has lost its name.

    It is made at the first `append`. As soon as a reader has it open it is unlinked: the disk
    gets its space back when the process ends, however it ends.
    """

    def __init__(self, path: str, metrics: AttemptMetrics) -> None:
        self._path = path
        self._metrics = metrics
        self._nonce = os.urandom(NONCE_BYTES)
        self._writer = SegmentWriter(path, self._nonce)
        self._reader: SegmentReader | None = None
        self._blocks: dict[int, list[Block]] = {}

    def append(self, part: int, rows: Batch) -> None:
        """Write rows behind what the part has already, as one block.

        Raises:
            OutputError: the disk takes no more; RowError: a row cannot be pickled.
        """
        payload = encode(rows)
        block = self._writer.append(part, payload, len(rows))
        self._metrics.spilled_bytes += len(payload)
        self._blocks.setdefault(part, []).append(block)
        if self._reader is None:
            self._open()

    def _open(self) -> None:
        try:
            self._writer.flush()
            self._reader = SegmentReader(self._path, self._nonce)
        finally:
            os.unlink(self._path)  # an open file lives on; nothing can be left behind

    def read(self, part: int) -> Stream:
        """The blocks of a part, in order; any number of parts at once, after the last `append`."""
        self._writer.flush()
        for block in self._blocks.get(part, ()):
            assert self._reader is not None
            yield decode(self._reader.read(block))

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
        if self._reader is not None:
            self._reader.close()
