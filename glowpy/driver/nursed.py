"""Directories of standalone runs: their nurseries remove them, and those that were abandoned.

If all of a run's processes are killed at once, nobody is left who would. So a nursery holds a lock
in its directory as long as it lives, and removes, before it ends, those that nobody holds.

    glowpy-RUN/held    locked by the nursery (POSIX: its forks do not have the lock)
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

from glowpy.driver.scratch import NURSED_PREFIX, remove

_LOCK = "held"
_NAME_CHARACTERS = len(NURSED_PREFIX) + 12
_DIGITS = frozenset("0123456789abcdef")
# A nursery holds its directory some ms after that was made; a machine that stands still in between
# does not hold it for long.
_NEW_S = 60.0


def hold(directory: str) -> None:
    """This process removes the directory, as long as it lives."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    with suppress(OSError):  # a run whose disk has no room for this does not last
        os.lockf(os.open(os.path.join(directory, _LOCK), flags, 0o600), os.F_TLOCK, 0)


def remove_abandoned(place: str) -> None:
    """Remove what runs that were killed have left in a place, as far as it is this user's."""
    oldest_s = time.time() - _NEW_S
    with suppress(OSError), os.scandir(place) as entries:
        for each in entries:
            if not _is_name(each.name):
                continue
            with suppress(FileNotFoundError):  # another run does the same
                found = each.stat(follow_symlinks=False)
                is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
                if is_ours and found.st_mtime < oldest_s and not _is_held(each.path):
                    remove(each.path)


def _is_name(name: str) -> bool:
    is_long_enough = len(name) == _NAME_CHARACTERS and name.startswith(NURSED_PREFIX)
    return is_long_enough and _DIGITS.issuperset(name[len(NURSED_PREFIX) :])


def _is_held(directory: str) -> bool:
    lock = os.path.join(directory, _LOCK)
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False  # it was killed before it had a nursery
    try:
        os.lockf(descriptor, os.F_TEST, 0)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
