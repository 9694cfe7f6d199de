"""The state of one run at an agent."""

from __future__ import annotations

import re

from glowpy.secret import Secret

_NAME = re.compile(r"[0-9a-z][0-9a-z.-]{0,63}")


def is_name(name: str) -> bool:
    """Return True for a valid name of a run or executor; names become paths."""
    return _NAME.fullmatch(name) is not None


class Run:
    """A run with a connected driver."""

    is_open = False  # its program has arrived
    is_closing = False  # ends with its last executor
    next_probe = 0.0  # of a silent connection

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
        self.secret = secret  # known to readers of its shards
        self.heard_at = heard_at
