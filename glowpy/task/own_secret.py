"""The one-time secret by which this process proves to its agent which executor it is."""

from __future__ import annotations

import os

from glowpy.environment import SECRET_VARIABLE
from glowpy.secret import Secret, read_secret

_secret = Secret()


def receive_secret() -> None:
    """Read the secret from the pipe that the agent has passed on; before the user's code runs.

    The processes that this code starts inherit neither the pipe nor the variable.
    """
    global _secret
    descriptor = os.environ.pop(SECRET_VARIABLE, "")
    if descriptor:
        _secret = read_secret(int(descriptor))


def take_secret() -> Secret:
    """The secret, which this module then forgets; empty if no agent has started this process."""
    global _secret
    taken, _secret = _secret, Secret()
    return taken
