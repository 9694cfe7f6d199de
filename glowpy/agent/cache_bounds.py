"""How many contents of programs an agent keeps, and how long.

A content that was not used for long is removed, and the one that was used longest ago while all
take too much. The last use of a content is its time of access.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from glowpy.record import NamedTuple


class Entry(NamedTuple):
    """One content."""

    used_at_s: float  # since the epoch: it outlives processes
    path: str
    size_bytes: int


def mark_used(path: Path) -> None:
    """Set the last use of a content to now."""
    with suppress(OSError):  # it is not there, or the disk takes nothing
        os.utime(path, ns=(time.time_ns(), path.lstat().st_mtime_ns))


def trim(directory: Path, most_bytes: int, most_age_s: float) -> list[str]:
    """Remove what is too old or too much in a directory, and return the removed paths."""
    entries = sorted(_entries(directory))
    left_bytes = sum(entry.size_bytes for entry in entries)
    oldest_s = time.time() - most_age_s
    gone = []
    for entry in entries:
        if entry.used_at_s >= oldest_s and left_bytes <= most_bytes:
            break
        left_bytes -= entry.size_bytes
        gone.append(entry.path)
        with suppress(OSError):
            os.unlink(entry.path)
    return gone


def _entries(directory: Path) -> Iterator[Entry]:
    if not directory.is_dir():
        return
    with os.scandir(directory) as found:
        for each in found:
            status = each.stat(follow_symlinks=False)
            yield Entry(status.st_atime, each.path, status.st_size)
