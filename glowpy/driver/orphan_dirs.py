"""Directories of standalone runs: fork servers remove their own, and abandoned ones.

If all of a run's processes are killed at once, none is left to remove the directory. So a fork
server locks its directory while alive, and on exit removes the directories without a lock.

    glowpy-RUN/held    locked by the fork server (POSIX: forks do not inherit the lock)
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

from glowpy.driver.scratch import STANDALONE_PREFIX, remove

_LOCK = "held"
_NAME_CHARACTERS = len(STANDALONE_PREFIX) + 12
_DIGITS = frozenset("0123456789abcdef")
# A fork server locks its directory some ms after mkdir; a stalled machine may take longer.
_NEW_S = 60.0


def lock_directory(directory: str) -> None:
    """Lock a directory until this process ends."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    with suppress(OSError):  # a full disk: the run itself will fail soon
        os.lockf(os.open(os.path.join(directory, _LOCK), flags, 0o600), os.F_TLOCK, 0)


def remove_abandoned(place: str) -> None:
    """Remove this user's directories of killed runs in a folder."""
    oldest_s = time.time() - _NEW_S
    with suppress(OSError), os.scandir(place) as entries:
        for each in entries:
            if not _is_name(each.name):
                continue
            with suppress(FileNotFoundError):  # another run may remove the same directory
                found = each.stat(follow_symlinks=False)
                is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
                if is_ours and found.st_mtime < oldest_s and not _is_held(each.path):
                    remove(each.path)


def _is_name(name: str) -> bool:
    is_long_enough = len(name) == _NAME_CHARACTERS and name.startswith(STANDALONE_PREFIX)
    return is_long_enough and _DIGITS.issuperset(name[len(STANDALONE_PREFIX) :])


def _is_held(directory: str) -> bool:
    lock = os.path.join(directory, _LOCK)
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False  # killed before a fork server was forked
    try:
        os.lockf(descriptor, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
