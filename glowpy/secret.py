"""Secrets of 16 random bytes: proof of an executor to its agent, of readers to owners of shards.

Secrets are sent in messages and through inherited pipes only: never in an argument, an environment
variable, a file or a log.
"""

from __future__ import annotations

import os

# `hmac.compare_digest` without OpenSSL, whose import would add 10 ms to every start.
from _operator import _compare_digest as compare_digest

from glowpy.record import NamedTuple

SECRET_BYTES = 16


def matches(known: bytes, other: bytes) -> bool:
    """Are both the same? Takes the same time wherever they differ."""
    return compare_digest(known, other)


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


class TaskSecrets(NamedTuple):
    """The secrets that an agent passes to a task; no key of the cluster is among them.

    +0   executor  16 bytes: one-time secret of the executor
    +16  run       16 bytes: the key of the run follows from it
    +32  server    40 bytes: public key of master and agents; absent on a cluster without keys
    """

    executor: Secret
    run: Secret
    server_public: bytes

    def to_bytes(self) -> bytes:
        return self.executor + self.run + self.server_public

    @classmethod
    def from_bytes(cls, data: bytes) -> TaskSecrets:
        executor, run = data[:SECRET_BYTES], data[SECRET_BYTES : 2 * SECRET_BYTES]
        return cls(Secret(executor), Secret(run), data[2 * SECRET_BYTES :])


def secret_pipe(secret: bytes) -> int:
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


def read_secret(descriptor: int) -> bytes:
    """Read the secret from the pipe of `secret_pipe`, and close the pipe."""
    with open(descriptor, "rb") as pipe:
        return pipe.read()
