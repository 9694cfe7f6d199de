"""The one-time secret that proves the identity of this executor to its agent."""

from __future__ import annotations

import os

from glowpy.environment import SECRET_VARIABLE
from glowpy.secret import Secret, read_secret

_secret = Secret()


def receive_secret() -> None:
    """Read the secret from the agent's pipe, before the user's code runs.

    Processes started by the user's code inherit neither the pipe nor the variable.
    """
    global _secret
    descriptor = os.environ.pop(SECRET_VARIABLE, "")
    if descriptor:
        _secret = read_secret(int(descriptor))


def take_secret() -> Secret:
    """Return the secret and erase it here; empty if no agent started this process."""
    global _secret
    taken, _secret = _secret, Secret()
    return taken
