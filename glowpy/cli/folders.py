"""Where an agent keeps its files when nobody says where."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from glowpy.errors import ConfigError


@contextmanager
def agent_folder(named: str, host: str, port: int) -> Iterator[str]:
    """The folder that the user named, else <tmp>/glowpy-<uid>/agent-<host>-<port>.

    An agent on port 0 has another address each time: it gets a new folder, removed at the end.

    Raises:
        ConfigError: somebody else has put something in its place, or it cannot be made.
    """
    if named:
        yield named
    elif port:
        yield os.path.join(_private_base(), f"agent-{host}-{port}".replace("/", "_"))
    else:
        with temporary_folder("glowpy-agent-") as folder:
            yield folder


@contextmanager
def removed(folder: str) -> Iterator[None]:
    """Within, a folder is used; it is gone afterwards. Nothing is done about none."""
    try:
        yield
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[str]:
    """A new folder where temporary files go, removed at the end.

    Raises:
        ConfigError: none can be made.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as exc:
        raise ConfigError(
            f"cannot make a temporary folder: {exc}; name a place for it by TMPDIR"
        ) from exc
    with made as folder:
        yield folder


def _private_base() -> str:
    try:
        base = os.path.join(tempfile.gettempdir(), f"glowpy-{os.geteuid()}")
        os.makedirs(base, mode=0o700, exist_ok=True)
        status = os.lstat(base)
    except OSError as exc:
        raise ConfigError(f"cannot make the agent's folder: {exc}; name one by --dir") from exc
    # The temporary directory is open to all: a name that can be guessed may be somebody's trap.
    private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
    if not private or status.st_uid != os.geteuid():
        raise ConfigError(
            f"{base} is not a folder that only you can enter; remove it or name a folder by --dir"
        )
    return base
