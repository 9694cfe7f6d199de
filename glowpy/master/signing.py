"""Signing leases: agents launch executors under leases of the master only. Pure."""

from __future__ import annotations

from glowpy.wire.lease_signature import SignedLease, sign
from glowpy.wire.messages import Grants, Lease


def with_signatures(grants: Grants, run: str, secret: bytes, duration_s: float) -> Grants:
    """Return grants with signed leases.

    Args:
        duration_s: of the leases, counted from the last heartbeat of the agent.
    """

    def signed(lease: Lease) -> Lease:
        content = SignedLease(
            lease=lease.lease,
            agent=lease.agent,
            address=lease.address,
            run=run,
            executor_count=1,
            memory_mb=lease.memory_mb,
            issued_at_s=lease.issued_at_s,
            duration_s=duration_s,
        )
        return lease._replace(duration_s=duration_s, signature=sign(secret, content))

    return grants._replace(leases=tuple(map(signed, grants.leases)))
