"""The signature of a lease: an HMAC-SHA256 by the master, checked by the agent of the lease.

The time of issue is a time of the agent's clock, which heartbeats carry: clocks of two hosts are
never compared. Each start of an agent has a new name, so no lease outlives the agent.
"""

from __future__ import annotations

import hmac

from glowpy.record import NamedTuple
from glowpy.secret import matches


class SignedLease(NamedTuple):
    """The signed fields."""

    lease: str
    agent: str  # name with a random part
    address: str
    run: str  # of the driver
    executor_count: int
    memory_mb: int
    issued_at_s: float  # on the clock of the agent
    duration_s: float


def sign(secret: bytes, lease: SignedLease) -> bytes:
    """The signature of a lease."""
    text = "\n".join(map(repr, lease))  # one line a field: repr() of a text has no line break
    return hmac.digest(secret, text.encode("utf-8", "surrogatepass"), "sha256")


def is_signed(secrets: tuple[bytes, ...], lease: SignedLease, signature: bytes) -> bool:
    """True if the signature was made with one of the secrets."""
    return any(matches(sign(secret, lease), signature) for secret in secrets)
