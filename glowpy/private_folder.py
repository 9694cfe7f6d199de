"""Checks that no other user of this host can write or replace a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from glowpy.errors import ConfigError


def check_private_folder(folder: str, content: str, advice: str) -> None:
    """Refuse a folder that another user owns, can write or can rename.

    Args:
        content: description of the folder's content, for the message.
        advice: a remedy besides a change of the mode.

    Raises:
        ConfigError: names the folder and its fault.
    """
    user = os.geteuid()
    path = os.path.realpath(folder)
    status = os.stat(path)
    if status.st_uid != user or stat.S_IMODE(status.st_mode) & 0o022:
        raise ConfigError(
            f"{path} must belong to you and be writable by you only, because it holds {content}: "
            f"chmod 700 {path}, or {advice}"
        )
    trusted = trusted_owners()
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        status = os.stat(path)
        mode = stat.S_IMODE(status.st_mode)
        # With umask 002 each user usually has a group; a sticky folder protects our entry.
        by_others = mode & 0o002 or (mode & 0o020 and status.st_gid not in (0, os.getegid()))
        if status.st_uid not in trusted or (by_others and not mode & stat.S_ISVTX):
            raise ConfigError(
                f"another user can replace {content}, because {path} belongs to or is writable by "
                f"others; {advice}"
            )


def trusted_owners() -> set[int]:
    """This user and root, also under the number that a user namespace shows for root."""
    return {0, os.geteuid(), *_hidden_owners()}


def _hidden_owners() -> Iterator[int]:
    """Yield root's number in a sandbox: a user namespace shows all outside owners as one number."""
    with suppress(OSError), open("/proc/sys/kernel/overflowuid") as number:
        overflow = int(number.read())
        with open("/proc/self/uid_map") as uid_map:
            if is_hidden(overflow, uid_map.read()):
                yield overflow


def is_hidden(uid: int, uid_map: str) -> bool:
    """Return True if no user of a namespace with this map has the number.

    >>> is_hidden(65534, "1000 1000 1"), is_hidden(65534, "0 0 4294967295")
    (True, False)
    """
    ranges = [tuple(map(int, line.split())) for line in uid_map.splitlines()]
    return not any(first <= uid < first + count for first, _outside, count in ranges)
