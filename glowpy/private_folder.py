"""Folders that other users of this host can neither write nor replace."""

from __future__ import annotations

import os
import stat

from glowpy.errors import ConfigError


def check_private_folder(folder: str, content: str, advice: str) -> None:
    """Refuse a folder that another user owns, can write or can rename.

    Args:
        content: what the folder holds, for the message.
        advice: the remedy beside a change of the mode.

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
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        status = os.stat(path)
        mode = stat.S_IMODE(status.st_mode)
        # A group of one's own is usual with umask 002; a sticky folder keeps what is ours.
        by_others = mode & 0o002 or (mode & 0o020 and status.st_gid not in (0, os.getegid()))
        if status.st_uid not in (0, user) or (by_others and not mode & stat.S_ISVTX):
            raise ConfigError(
                f"another user can replace {content}, because {path} belongs to or is writable by "
                f"others; {advice}"
            )
