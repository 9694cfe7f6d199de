"""Records the last row read by a task group in a file that survives the executor.

If earlier attempts of a task group lost their executors, the last permitted attempt runs row by
row, and writes each row to a file beside the segment file before the row is processed. If this
executor dies as well, its agent reads the row from the file. Other attempts record no rows, because
recording costs some microseconds per row.

    <segment file>.row    the short text of the row, as in messages, in UTF-8, up to a null byte
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from glowpy.errors import short_repr
from glowpy.flow.ops.kernel import Stream
from glowpy.task.pipeline import RowObserver


class RowNote:
    """Records the rows of a stream. A context manager that removes the file on exit."""

    def __init__(self, segment_path: str) -> None:
        self._path = f"{segment_path}.row"
        self._descriptor = -1

    def __enter__(self) -> RowNote:
        with suppress(OSError):  # without space on the disk, no row is recorded
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with suppress(OSError):  # the run's directory may be gone
                os.unlink(self._path)

    def observe_rows(self, stream: Stream) -> Stream:
        """Yield the same rows, one at a time, and record each."""
        for batch in stream:
            for row in batch:
                if self._descriptor >= 0:
                    text = short_repr(row).encode("utf-8", "backslashreplace")
                    with suppress(OSError):
                        os.pwrite(self._descriptor, text + b"\0", 0)
                yield [row]


def noting_rows(
    stack: ExitStack, segment_path: str, observe_rows: RowObserver | None
) -> RowObserver:
    """Return an observer that records each row before `observe_rows`, until `stack` is closed."""
    note = stack.enter_context(RowNote(segment_path))
    return (
        note.observe_rows
        if observe_rows is None
        else lambda stream: observe_rows(note.observe_rows(stream))
    )
