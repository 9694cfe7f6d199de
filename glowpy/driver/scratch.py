"""The temporary directory of one run.

Importing `tempfile` and `shutil` with their dependencies takes longer than a small flow runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from glowpy.driver.janitor import janitor
from glowpy.errors import ConfigError
from glowpy.resources import host_name
from glowpy.signals import signals_blocked

STANDALONE_PREFIX = "glowpy-"  # of directories removed by a fork server; a number follows
_SOCKET_PATH_BYTES = 100  # the system's limit is 107
_PLACES = ("/tmp", "/var/tmp")  # a directory made there is private to its owner


@contextmanager
def scratch_directory(
    prefix: str, *, for_sockets: bool = False, has_janitor: bool = True
) -> Iterator[str]:
    """Make a new directory for temporary files, and remove it at the end.

    Args:
        for_sockets: the path leaves room for the name of a socket file.
        has_janitor: the directory is removed even if this process is killed.

    Raises:
        ConfigError: no directory can be made.
    """
    with ExitStack() as stack:
        with signals_blocked():  # a directory that exists is registered for removal
            directory = make_directory(prefix, _SOCKET_PATH_BYTES - 10 if for_sockets else None)
            if has_janitor:
                stack.enter_context(janitor(directory))
            stack.callback(remove, directory)
        yield directory


def make_directory(prefix: str, most_bytes: int | None = None) -> str:
    """Make a new private directory whose path takes at most `most_bytes`.

    Raises:
        ConfigError: no directory can be made.
    """
    name = prefix + os.urandom(6).hex()
    named = [os.environ[each] for each in ("TMPDIR", "TEMP", "TMP") if os.environ.get(each)]
    fault: OSError | None = None
    for place in (*named, *_PLACES):
        path = os.path.abspath(os.path.join(place, name))
        if most_bytes is not None and len(os.fsencode(path)) > most_bytes:
            continue
        try:
            os.mkdir(path, 0o700)
            return path
        except OSError as exc:
            fault = fault or exc
    raise ConfigError(
        f"cannot make a temporary directory on {host_name()}: {fault}; "
        "name one that can be written by TMPDIR"
    ) from fault


def remove(directory: str) -> None:
    """Delete a directory with its contents, as far as possible; links are not followed."""
    for path, directories, files in os.walk(directory, topdown=False):
        for name in [*files, *directories]:
            with suppress(OSError):
                os.unlink(os.path.join(path, name))
        with suppress(OSError):
            os.rmdir(path)
