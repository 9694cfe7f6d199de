"""The default directory of an agent, and temporary directories."""

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
    """Return the folder that `--dir` names, else <tmp>/glowpy-<uid>/agent-<host>-<port>.

    An agent on port 0 has a different address at each start: it uses a new folder, which is
    removed at the end.

    Raises:
        ConfigError: another user owns a file at this path, or the folder cannot be made.
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
    """Remove a folder at the end of a `with` block, if one is named."""
    try:
        yield
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[str]:
    """Make a folder in the directory of temporary files, and remove it at the end.

    Raises:
        ConfigError: the folder cannot be made.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as exc:
        raise ConfigError(
            f"cannot make a temporary folder: {exc}; set TMPDIR to a writable directory"
        ) from exc
    with made as folder:
        yield folder


def _private_base() -> str:
    try:
        base = os.path.join(tempfile.gettempdir(), f"glowpy-{os.geteuid()}")
        os.makedirs(base, mode=0o700, exist_ok=True)
        status = os.lstat(base)
    except OSError as exc:
        raise ConfigError(f"cannot make the agent's folder: {exc}; name another by --dir") from exc
    # Every user can create files in the temporary directory, also under a name that we will use.
    private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
    if not private or status.st_uid != os.geteuid():
        raise ConfigError(
            f"{base} is not a folder that only you can enter; remove it, or name a folder by --dir"
        )
    return base
