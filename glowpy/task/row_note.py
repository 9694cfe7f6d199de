"""The last row that a task group took in, written down where it outlives the executor.

A group that has killed every executor but one runs its last try like this: row by row, and each is
written beside the segment file before anything is done to it. If this executor dies as well, its
agent finds the row there. It costs some microseconds for each row, and so it is not done before.

    <segment file>.row    the row as it stands in messages, in UTF-8, up to a null byte
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from glowpy.errors import short_repr
from glowpy.flow.ops.kernel import Stream
from glowpy.task.pipeline import RowObserver


class RowNote:
    """Writes down what it lets through. A context manager: leaving it removes the note."""

    def __init__(self, segment_path: str) -> None:
        self._path = f"{segment_path}.row"
        self._descriptor = -1

    def __enter__(self) -> RowNote:
        with suppress(OSError):  # without a note, if the disk takes nothing
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
        """The same rows, one at a time."""
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
    """A observe_rows that notes each row before it goes through the other one."""
    note = stack.enter_context(RowNote(segment_path))
    return (
        note.observe_rows
        if observe_rows is None
        else lambda stream: observe_rows(note.observe_rows(stream))
    )
