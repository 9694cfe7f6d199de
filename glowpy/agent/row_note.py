"""The current row of a dead executor (written by `task.row_note`)."""

from __future__ import annotations

import os

_MOST_BYTES = 4096


def read_row_note(segment_path: str) -> str:
    """Return the row as text; empty if there is no note."""
    try:
        descriptor = os.open(f"{segment_path}.row", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        data = os.pread(descriptor, _MOST_BYTES, 0)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    text, end, _rest = data.partition(b"\0")
    return text.decode(errors="replace") if end else ""
