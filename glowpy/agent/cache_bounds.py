"""How much of the programs that an agent has got it keeps, and how long.

What was not used for long goes, and what was used longest ago while all of it is too large. When a
content was used last is its time of access, for a directory its time of change: nobody writes into
a program's top directory after it has been laid out.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from glowpy.record import NamedTuple


class Entry(NamedTuple):
    """One content or program."""

    used_at_s: float  # since the epoch: it outlives processes
    path: str
    size_bytes: int  # what others that come before it share is not counted again


def mark_used(path: Path) -> None:
    """A content, or a directory, is used now."""
    now = time.time_ns()
    with suppress(OSError):  # it is not there, or the disk takes nothing
        status = path.lstat()
        is_directory = stat.S_ISDIR(status.st_mode)
        os.utime(path, ns=(now, now if is_directory else status.st_mtime_ns))


def trim(
    places: Collection[Path], kept: Collection[Path], most_bytes: int, most_age_s: float
) -> list[str]:
    """Remove what is too old or too much below some places; the paths of what has gone.

    Args:
        kept: these are in use, however old and large they are.
    """
    entries = sorted(_entries(places))
    left_bytes = sum(entry.size_bytes for entry in entries)
    oldest_s = time.time() - most_age_s
    gone = []
    for entry in entries:
        if Path(entry.path) in kept or (entry.used_at_s >= oldest_s and left_bytes <= most_bytes):
            continue
        left_bytes -= entry.size_bytes
        gone.append(entry.path)
        if os.path.isdir(entry.path):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with suppress(OSError):
                os.unlink(entry.path)
    return gone


def _entries(places: Collection[Path]) -> Iterator[Entry]:
    seen: set[tuple[int, int]] = set()
    for place in places:
        if not place.is_dir():
            continue
        with os.scandir(place) as found:
            for each in found:
                status = each.stat(follow_symlinks=False)
                is_directory = each.is_dir(follow_symlinks=False)
                used_at_s = status.st_mtime if is_directory else status.st_atime
                yield Entry(used_at_s, each.path, _size_of(each.path, seen))


def _size_of(path: str, seen: set[tuple[int, int]]) -> int:
    """Bytes of a file, or of all files below a directory; each file once, by whatever name."""
    size = 0
    files = [path] if not os.path.isdir(path) else []
    for directory, _directories, names in os.walk(path):
        files += [os.path.join(directory, name) for name in names]
    for file in files:
        with suppress(FileNotFoundError):
            status = os.lstat(file)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                size += status.st_size
    return size
