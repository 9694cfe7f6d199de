"""One run as an agent sees it."""

from __future__ import annotations


class Run:
    """A run that has a driver."""

    is_open = False
    is_closing = False

    def __init__(self, peer: bytes, description: bytes, nonce: bytes, heard_at: float) -> None:
        self.peer = peer  # its driver's connection
        self.description = description
        self.nonce = nonce
        self.heard_at = heard_at
