"""Refuses symbolic links of other users on the path of a file to be written.

In a folder that all users can write to, such as /tmp, any user can create a link under the expected
name of a file, and redirect the write. Linux refuses to follow these links only if
fs.protected_symlinks is set.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque

_MOST_LINKS = 40  # the limit of Linux


def resolve_links(path: str) -> str:
    """Return the absolute path without links, as `os.path.realpath` does; it need not exist.

    Raises:
        OSError: there are too many links, or a link in a sticky folder that all can write to
            belongs to a user other than root and this user.
    """
    done = "/"
    waiting = deque(os.path.join(os.getcwd(), path).split("/"))
    link_count = 0
    while waiting:
        name = waiting.popleft()
        if name in ("", ".", ".."):
            done = os.path.dirname(done) if name == ".." else done
            continue
        found = os.path.join(done, name)
        if not os.path.islink(found):
            done = found
            continue
        link_count += 1
        if link_count > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        _check_link(found)
        target = os.readlink(found)
        done = "/" if target.startswith("/") else done
        waiting.extendleft(reversed(target.split("/")))
    return done


def _check_link(link: str) -> None:
    folder = os.stat(os.path.dirname(link)).st_mode
    is_open_to_all = folder & stat.S_ISVTX and folder & stat.S_IWOTH
    if is_open_to_all and os.lstat(link).st_uid not in (0, os.geteuid()):
        text = f"{link} is a link that another user has made; remove it, or name another path"
        raise PermissionError(errno.EACCES, text, link)
