"""The TaskContext of a running task: its number, memory budget and temporary files."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from glowpy.flow.ops.kernel import Batch, Scratch, Stream
from glowpy.record import NamedTuple
from glowpy.shards.codec import decode, encode
from glowpy.shards.segment import NONCE_BYTES, Block, SegmentReader, SegmentWriter
from glowpy.task.metrics import AttemptMetrics

_UNREAD = AttemptMetrics()  # of a context without statistics


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
    check_cancelled: Callable[[], None] = _never_cancelled  # may raise, to stop the attempt

    def scratch(self) -> Scratch:
        """Return a new temporary file, which disappears with the task."""
        return ScratchFile(
            os.path.join(self.directory, f"scratch-{os.urandom(8).hex()}"), self.metrics
        )


class ScratchFile:
    """Implements `flow.ops.kernel.Scratch`: an unlinked segment file.

    The first `append` makes the file, and unlinks it once a reader has it open: the disk space is
    freed when the process ends, even after SIGKILL.
    """

    def __init__(self, path: str, metrics: AttemptMetrics) -> None:
        self._path = path
        self._metrics = metrics
        self._nonce = os.urandom(NONCE_BYTES)
        self._writer = SegmentWriter(path, self._nonce)
        self._reader: SegmentReader | None = None
        self._blocks: dict[int, list[Block]] = {}

    def append(self, part: int, rows: Batch) -> None:
        """Append rows to a part, as one block.

        Raises:
            OutputError: the file cannot be written.
            RowError: a row cannot be pickled.
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
            os.unlink(self._path)  # the open file stays usable, and nothing is left behind

    def read(self, part: int) -> Stream:
        """Yield the blocks of a part in order; parts may be read concurrently after all writes."""
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
