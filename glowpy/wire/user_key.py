"""The default cluster key of a user, shared by every process that this user runs on this host.

Loopback is no authentication: each local user can connect to it. So a server or driver that names
no key uses the key in ${XDG_STATE_HOME:-~/.local/state}/glowpy/key, which is made at first use.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from glowpy.errors import ConfigError
from glowpy.wire.security import ClusterKey, load_key, save_key

_NAMES = ("glowpy", "key")
_ADVICE = (
    "name a key file by --key-file (scripts: -key.file), or a folder of yours by XDG_STATE_HOME"
)


def user_key_path() -> str:
    """Path of the key file of this user, whether or not the file exists.

    Raises:
        ConfigError: the environment names no home directory.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # relative paths are to be ignored, says the XDG specification
        home = os.environ.get("HOME") or _home_of_account()
        if not os.path.isabs(home):
            raise ConfigError(f"there is no home directory to keep a cluster key in; {_ADVICE}")
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, *_NAMES)


def user_key() -> ClusterKey:
    """The key of this user; the first call makes it.

    Raises:
        ConfigError: the file cannot be made or read, or other users could replace it.
    """
    path = user_key_path()
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"cannot make {folder} for your cluster key: {exc.strerror}; {_ADVICE}"
        ) from exc
    _check_folders(folder)
    if not os.path.lexists(path):
        _make(path)
    return load_key(path)


def _make(path: str) -> None:
    """Write a key beside `path` and link it there, so that two first users get the same key."""
    from glowpy.wire.transport import make_key

    new = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        save_key(new, make_key())
    except ConfigError as exc:
        raise ConfigError(f"{exc}; {_ADVICE}") from exc
    try:
        with suppress(FileExistsError):  # another process of this user was first: its key is used
            os.link(new, path)
    except OSError as exc:
        raise ConfigError(f"cannot make key file {path}: {exc.strerror}; {_ADVICE}") from exc
    finally:
        os.unlink(new)


def _check_folders(folder: str) -> None:
    """Refuse a folder that another user owns or can rename.

    Raises:
        ConfigError: names the folder and its fault.
    """
    user = os.geteuid()
    path = os.path.realpath(folder)
    status = os.stat(path)
    if status.st_uid != user or stat.S_IMODE(status.st_mode) & 0o022:
        raise ConfigError(
            f"{path} must belong to you and be writable by you only, because it holds your "
            f"cluster key: chmod 700 {path}, or {_ADVICE}"
        )
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        status = os.stat(path)
        mode = stat.S_IMODE(status.st_mode)
        # A group of one's own is usual with umask 002; a sticky folder keeps what is ours.
        by_others = mode & 0o002 or (mode & 0o020 and status.st_gid not in (0, os.getegid()))
        if status.st_uid not in (0, user) or (by_others and not mode & stat.S_ISVTX):
            raise ConfigError(
                f"another user can replace your cluster key, because {path} belongs to or is "
                f"writable by others; {_ADVICE}"
            )


def _home_of_account() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # containers run under numbers that have no account
        return ""
