"""Bounds on the number and age of program contents kept by an agent.

Contents not used for long are removed; so is the least recently used one while the total is too
large. The last use of a content is its access time.
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

    used_at_s: float  # since the epoch: comparable across processes
    path: str
    size_bytes: int


def mark_used(path: Path) -> None:
    """Set the last use of a content to now."""
    with suppress(OSError):  # the content is missing, or the disk is read-only
        os.utime(path, ns=(time.time_ns(), path.lstat().st_mtime_ns))


def trim(directory: Path, most_bytes: int, most_age_s: float) -> list[str]:
    """Remove old or excess contents of a directory, and return the removed paths."""
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
