"""Secrets of 16 random bytes: proof of an executor to its agent, of readers to owners of shards.

Secrets are sent in messages and through inherited pipes only: never in an argument, an environment
variable, a file or a log.
"""

from __future__ import annotations

import os

# `hmac.compare_digest` without OpenSSL, whose import would add 10 ms to every start.
from _operator import _compare_digest as compare_digest

SECRET_BYTES = 16


class Secret(bytes):
    """Random bytes known to one process only, or to the processes of one run.

    The text form hides the bytes, also inside the text of a message. An empty secret matches
    nothing.
    """

    __slots__ = ()

    @classmethod
    def make(cls) -> Secret:
        """Return a new secret."""
        return cls(os.urandom(SECRET_BYTES))

    def matches(self, other: bytes) -> bool:
        """Compare with another secret, in constant time."""
        return len(self) == SECRET_BYTES and compare_digest(self, other)

    def __repr__(self) -> str:
        return "Secret(…)" if self else "Secret()"

    __str__ = __repr__


def secret_pipe(secret: Secret) -> int:
    """Return the reading end of a pipe that holds the secret, for a child process.

    Raises:
        OSError: the limit of open files is reached.
    """
    reading, writing = os.pipe()
    try:
        os.write(writing, secret)  # never blocks: the pipe is empty
    finally:
        os.close(writing)
    return reading


def read_secret(descriptor: int) -> Secret:
    """Read the secret from the pipe of `secret_pipe`, and close the pipe."""
    with open(descriptor, "rb") as pipe:
        return Secret(pipe.read(SECRET_BYTES))
