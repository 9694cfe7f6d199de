"""Policies with new keys, for tests of single processes and sockets."""

from __future__ import annotations

from glowpy.wire.key_file import KeyFile
from glowpy.wire.key_policy import policy_for, policy_of
from glowpy.wire.roles import Role
from glowpy.wire.security import Policy
from glowpy.wire.transport.curve import make_keys
from tests.echoing import LOOPBACK


def policy_as(role: Role = Role.DRIVER, keys: KeyFile | None = None) -> Policy:
    """A policy that connects by a role and listens, with new keys by default."""
    return policy_of(keys or make_keys(), role, "(test)")


def own_policy(role: Role = Role.DRIVER) -> Policy:
    """A policy with the keys of this user."""
    return policy_for(LOOPBACK, role=role)
