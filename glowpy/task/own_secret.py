"""The secrets that prove the identity of this executor to its agent, and its run to others."""

from __future__ import annotations

import os

from glowpy.environment import SECRET_VARIABLE
from glowpy.secret import Secret, TaskSecrets, read_secret

_NONE = TaskSecrets(Secret(), Secret(), b"")
_secrets = _NONE


def receive_secrets() -> None:
    """Read the secrets from the agent's pipe, before the user's code runs.

    Processes started by the user's code inherit neither the pipe nor the variable.
    """
    global _secrets
    descriptor = os.environ.pop(SECRET_VARIABLE, "")
    if descriptor:
        _secrets = TaskSecrets.from_bytes(read_secret(int(descriptor)))


def take_secrets() -> TaskSecrets:
    """Return the secrets and erase them here; empty if no agent started this process."""
    global _secrets
    taken, _secrets = _secrets, _NONE
    return taken
