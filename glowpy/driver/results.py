"""Results of terminal calls, made from the batches of the target shards in shard order."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

from glowpy.flow.entry import Call, Terminal
from glowpy.planner.run_description import Sink
from glowpy.shards.codec import decode


class Result(ABC):
    """Takes the target's batches in shard order, once each; a context manager."""

    sink: Sink
    received_bytes = 0

    def receive(self, payload: bytes) -> None:
        """Take the next block of the target's rows."""
        self.received_bytes += len(payload)
        self.add(decode(payload))

    @abstractmethod
    def add(self, batch: list[Any]) -> None:
        """Add the next batch of the target's rows."""

    @property
    def is_complete(self) -> bool:
        """True if no further batch can change the value of the terminal call."""
        return False

    def mark(self) -> None:
        """Record the end of a shard, the furthest point of a later `rewind`."""
        return

    def rewind(self) -> None:
        """Drop all rows since the last mark: the shard is delivered again from its start."""
        return

    @abstractmethod
    def finish(self, row_count: int) -> Any:
        """Return the call's value. `row_count`: rows of all targets, stored or drained."""

    def discard(self) -> None:
        """Undo side effects after a failed run."""
        return

    def __enter__(self) -> Result:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.discard()


class Nothing(Result):
    """The result of run(): tasks drain the rows in place."""

    sink = Sink.DRAIN

    def add(self, batch: list[Any]) -> None:
        raise AssertionError("a drained dataset has no batches")

    def finish(self, row_count: int) -> None:
        return None


class RowCount(Nothing):
    """The result of count(): tasks count the drained rows."""

    def finish(self, row_count: int) -> Any:
        return row_count


class Rows(Result):
    """The result of collect(): all rows in a list."""

    sink = Sink.ROWS

    def __init__(self) -> None:
        self._rows: list[Any] = []
        self._marked = 0

    def add(self, batch: list[Any]) -> None:
        self._rows += batch

    def mark(self) -> None:
        self._marked = len(self._rows)

    def rewind(self) -> None:
        del self._rows[self._marked :]

    def finish(self, row_count: int) -> list[Any]:
        return self._rows


class FirstRows(Rows):
    """The result of take(): a list of at most `limit` rows."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    @property
    def is_complete(self) -> bool:
        return len(self._rows) >= self._limit

    def finish(self, row_count: int) -> list[Any]:
        return self._rows[: self._limit]


class File(Result):
    """The result of save_*_to_file(): the shards' bytes in one file that appears when complete."""

    def __init__(self, path: str) -> None:
        from glowpy.driver.output_file import OutputFile  # not needed by other runs

        self._output = OutputFile(path)
        self._marked_bytes = 0
        self._gzip = _gzip() if path.endswith(".gz") else None

    def add(self, batch: list[Any]) -> None:
        with self._output.writing():
            for data in batch:
                self._output.file.write(
                    self._gzip.compress(data) if self._gzip is not None else data
                )

    def mark(self) -> None:
        with self._output.writing():
            if self._gzip is not None:  # each shard is a gzip member, so that it can be rewound
                self._output.file.write(self._gzip.flush())
                self._gzip = _gzip()
            self._marked_bytes = self._output.file.tell()

    def rewind(self) -> None:
        with self._output.writing():
            self._output.file.seek(self._marked_bytes)
            self._output.file.truncate()
        if self._gzip is not None:
            self._gzip = _gzip()

    def finish(self, row_count: int) -> None:
        self._output.commit()

    def discard(self) -> None:
        self._output.discard()


class TextFile(File):
    """The result of save_text_to_file(): tasks turn rows into lines."""

    sink = Sink.TEXT


class BytesFile(File):
    """The result of save_bytes_to_file(): the rows are written unchanged."""

    sink = Sink.BYTES


def _gzip() -> zlib._Compress:
    """Return a compressor for one gzip member; concatenated members form a valid file."""
    return zlib.compressobj(wbits=16 + zlib.MAX_WBITS)


def result_of(call: Call) -> Result:
    """Return the result object of a terminal call.

    Raises:
        OutputError: the file cannot be written; found before the run begins.
    """
    if call.terminal in (Terminal.COLLECT, Terminal.TOP):
        return Rows()
    if call.terminal is Terminal.TAKE:
        return FirstRows(call.limit)
    if call.terminal is Terminal.COUNT:
        return RowCount()
    if call.terminal is Terminal.SAVE_TEXT:
        return TextFile(call.path)
    if call.terminal is Terminal.SAVE_BYTES:
        return BytesFile(call.path)
    return Nothing()
