"""CURVE key pairs: random ones, and the pair of a run."""

from __future__ import annotations

import os
import struct

# The module behind hashlib.blake2b, without OpenSSL, whose loading would cost every task 10 ms.
from _blake2 import blake2b
from typing import TYPE_CHECKING

import zmq
import zmq.utils.z85

from glowpy.secret import Secret
from glowpy.wire.security import KeyPair

if TYPE_CHECKING:
    from glowpy.wire.key_file import Generation, KeyFile


def make_pair() -> KeyPair:
    """A new key pair."""
    return KeyPair(*zmq.curve_keypair())


def make_generation(number: int = 1) -> Generation:
    """New keys of all roles."""
    from glowpy.wire.key_file import LEASE_SECRET_BYTES, Generation  # tasks make no keys
    from glowpy.wire.roles import CLUSTER_ROLES

    pairs = {role: make_pair() for role in CLUSTER_ROLES}
    return Generation(number, pairs, os.urandom(LEASE_SECRET_BYTES))


def make_keys() -> KeyFile:
    """The content of a new key file."""
    from glowpy.wire.key_file import KeyFile

    return KeyFile((make_generation(),))


def run_key(secret: Secret) -> KeyPair:
    """The key pair of a run, for the server of the driver, the tasks, and agents of the run.

    The pair is derived from the secret of the run and never sent.
    """
    data = blake2b(secret, digest_size=32, person=b"glowpy run key").digest()
    half = zmq.utils.z85.encode(data)
    return KeyPair(zmq.curve_public(half), half)


def is_pair(pair: KeyPair) -> bool:
    """True if both halves belong together; a public half alone only has to be well-formed."""
    try:
        if not pair.secret:
            return len(zmq.utils.z85.decode(pair.public)) == 32
        return bool(zmq.curve_public(pair.secret) == pair.public)
    # struct.error: five digits of Z85 that exceed 32 bits
    except (zmq.ZMQError, ValueError, KeyError, struct.error):
        return False
