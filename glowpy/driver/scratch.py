"""The temporary directory of one run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from glowpy.driver.stopping import undisturbed
from glowpy.errors import ConfigError
from glowpy.resources import host_name

_SOCKET_PATH_BYTES = 100  # the system's limit is 107


@contextmanager
def scratch_directory(prefix: str, *, for_sockets: bool = False) -> Iterator[str]:
    """A new directory where temporary files go, removed at the end.

    Args:
        for_sockets: its name has to leave room for that of a socket file.

    Raises:
        ConfigError: none can be made.
    """
    with ExitStack() as stack:
        try:
            with undisturbed():  # once something is there, it is known
                within = tempfile.gettempdir()
                if for_sockets and len(os.fsencode(within)) >= _SOCKET_PATH_BYTES - 30:
                    within = "/tmp"
                directory = tempfile.mkdtemp(prefix=prefix, dir=within)
                stack.callback(shutil.rmtree, directory, ignore_errors=True)
        except OSError as exc:
            raise ConfigError(
                f"cannot make a temporary directory on {host_name()}: {exc}; "
                "name one that can be written by TMPDIR"
            ) from exc
        yield directory
