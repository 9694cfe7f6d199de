"""Where an agent keeps its files when nobody says where."""

from __future__ import annotations

import os
import stat
import tempfile

from glowpy.errors import ConfigError


def default_folder(host: str, port: int) -> str:
    """A folder of this user's own for the agent at this address: <tmp>/glowpy-<uid>/agent-...

    Raises:
        ConfigError: somebody else has put something in its place, or it cannot be made.
    """
    base = os.path.join(tempfile.gettempdir(), f"glowpy-{os.geteuid()}")
    # Several agents on one host may all be on port 0, or on one port of several addresses.
    name = f"agent-{host}-{port or f'pid{os.getpid()}'}".replace(":", "_")
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        status = os.lstat(base)
    except OSError as exc:
        raise ConfigError(f"cannot make {base}: {exc.strerror}; name a folder by --dir") from exc
    # The temporary directory is open to all: a name that can be guessed may be somebody's trap.
    private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
    if not private or status.st_uid != os.geteuid():
        raise ConfigError(
            f"{base} is not a folder that only you can enter; remove it or name a folder by --dir"
        )
    return os.path.join(base, name)
