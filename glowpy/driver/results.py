"""What a terminal call gives back, made from the batches of its target shards in shard order."""

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
        """The next batch of the target's rows."""

    @property
    def is_complete(self) -> bool:
        """Nothing that may still come would change the value of the terminal call."""
        return False

    def mark(self) -> None:
        """A shard is complete: `rewind` goes no further back than here."""
        return

    def rewind(self) -> None:
        """Forget what was added since the last mark: that shard begins anew."""
        return

    @abstractmethod
    def finish(self, row_count: int) -> Any:
        """The value of the terminal call. `row_count`: rows of all targets, stored or drained."""

    def discard(self) -> None:
        """Undo what was begun: the run has failed."""
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
    """run(): the rows are drained where they are made."""

    sink = Sink.DRAIN

    def add(self, batch: list[Any]) -> None:
        raise AssertionError("a drained dataset has no batches")

    def finish(self, row_count: int) -> None:
        return None


class RowCount(Nothing):
    """count(): tasks count the rows they drain."""

    def finish(self, row_count: int) -> Any:
        return row_count


class Rows(Result):
    """collect(): all rows in a list."""

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
    """take(): rows up to a number of them, in a list."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    @property
    def is_complete(self) -> bool:
        return len(self._rows) >= self._limit

    def finish(self, row_count: int) -> list[Any]:
        return self._rows[: self._limit]


class File(Result):
    """save_*_to_file(): the shards' bytes, joined in one file that appears when it is complete."""

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
            if self._gzip is not None:  # each shard is a member of its own: it may begin anew
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
    """save_text_to_file(): the tasks have made lines."""

    sink = Sink.TEXT


class BytesFile(File):
    """save_bytes_to_file(): the rows are what is written."""

    sink = Sink.BYTES


def _gzip() -> zlib._Compress:
    """Makes one member of a gzip file; several behind one another are a file as well."""
    return zlib.compressobj(wbits=16 + zlib.MAX_WBITS)


def result_of(call: Call) -> Result:
    """Where the rows of a terminal call go.

    Raises:
        OutputError: the file asked for cannot be written; found before anything runs.
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
