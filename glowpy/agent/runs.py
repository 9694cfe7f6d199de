"""One run as an agent sees it."""

from __future__ import annotations

import re

from glowpy.secret import Secret

_NAME = re.compile(r"[0-9a-z][0-9a-z.-]{0,63}")


def is_name(name: str) -> bool:
    """Can a run or an executor be called so? Names become paths."""
    return _NAME.fullmatch(name) is not None


class Run:
    """A run that has a driver."""

    is_open = False  # its program is here
    is_closing = False  # it ends with the last of its executors
    next_probe = 0.0  # of a connection on which nothing comes

    def __init__(
        self,
        name: str,
        peer: bytes,
        description: bytes,
        directory: str,
        nonce: bytes,
        secret: Secret,
        heard_at: float,
    ) -> None:
        self.name = name
        self.peer = peer  # its driver's connection
        self.description = description
        self.directory = directory  # of its segment files
        self.nonce = nonce
        self.secret = secret  # readers of its shards know it
        self.heard_at = heard_at
