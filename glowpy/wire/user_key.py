"""The default cluster key of a user, shared by all processes of this user on this host.

Loopback does not authenticate: every local user can connect. So a server or driver without a named
key uses the key in ${XDG_STATE_HOME:-~/.local/state}/glowpy/keys, created at first use.
"""

from __future__ import annotations

import os
from contextlib import suppress

from glowpy.errors import ConfigError
from glowpy.private_folder import check_private_folder
from glowpy.wire.key_file import KeyFile
from glowpy.wire.key_storage import load_keys, save_keys

_NAMES = ("glowpy", "keys")  # `key` was the name in releases without roles
_ADVICE = (
    "name a key file by --key-file (scripts: -key.file), or a folder of yours by XDG_STATE_HOME"
)


def user_key_path() -> str:
    """Return the path of this user's key file, existing or not.

    Raises:
        ConfigError: the environment names no home directory.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the XDG specification: relative paths are ignored
        home = os.environ.get("HOME") or _home_of_account()
        if not os.path.isabs(home):
            raise ConfigError(f"there is no home directory to keep a cluster key in; {_ADVICE}")
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, *_NAMES)


def user_keys() -> KeyFile:
    """Return the keys of this user, of all roles; the first call creates them.

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
    check_private_folder(folder, "your cluster key", _ADVICE)
    if not os.path.lexists(path):
        _make(path)
    return load_keys(path)


def _make(path: str) -> None:
    """Write a key beside `path` and link it there, so that concurrent first users get one key."""
    from glowpy.wire.transport.curve import make_keys

    new = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        save_keys(new, make_keys())
    except ConfigError as exc:
        raise ConfigError(f"{exc}; {_ADVICE}") from exc
    try:
        with suppress(FileExistsError):  # another process was faster: its key is used
            os.link(new, path)
    except OSError as exc:
        raise ConfigError(f"cannot make key file {path}: {exc.strerror}; {_ADVICE}") from exc
    finally:
        os.unlink(new)


def _home_of_account() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # containers run under numbers without an account
        return ""
