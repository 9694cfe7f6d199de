"""Secrets of 16 random bytes: proof of an executor to its agent, of readers to owners of shards.

They travel in messages and through inherited pipes only: never in an argument, an environment
variable, a file or a log.
"""

from __future__ import annotations

import os

# `hmac.compare_digest` itself, without OpenSSL, whose loading would cost every start 10 ms.
from _operator import _compare_digest as compare_digest

SECRET_BYTES = 16


class Secret(bytes):
    """Random bytes that only one process, or only the processes of one run, know.

    Its text shows none of them, so neither does the text of a message that carries it. An empty
    secret proves nothing.
    """

    __slots__ = ()

    @classmethod
    def make(cls) -> Secret:
        """A new one."""
        return cls(os.urandom(SECRET_BYTES))

    def matches(self, other: bytes) -> bool:
        """Is the other the same secret? Takes the same time wherever the two differ."""
        return len(self) == SECRET_BYTES and compare_digest(self, other)

    def __repr__(self) -> str:
        return "Secret(…)" if self else "Secret()"

    __str__ = __repr__


def secret_pipe(secret: Secret) -> int:
    """The reading end of a pipe that holds the secret, for a process to inherit.

    Raises:
        OSError: no more files can be opened.
    """
    reading, writing = os.pipe()
    try:
        os.write(writing, secret)  # never waits: a new pipe has room
    finally:
        os.close(writing)
    return reading


def read_secret(descriptor: int) -> Secret:
    """Read the secret from the pipe of `secret_pipe`, and close it."""
    with open(descriptor, "rb") as pipe:
        return Secret(pipe.read(SECRET_BYTES))
