"""Accepted leases of an agent: signed by the master, not expired, each used once. Pure."""

from __future__ import annotations

from collections import deque

from glowpy.wire.lease_signature import SignedLease, is_signed
from glowpy.wire.run_messages import Launch, Refusal


class LeaseCheck:
    """Remembers used leases until they expire.

    Args:
        agent: name of the agent; each start has a new name.
        secrets: lease secrets of the key file; two during a rotation.
    """

    def __init__(self, agent: str, address: str, secrets: tuple[bytes, ...]) -> None:
        self._agent = agent
        self._address = address
        self._used: set[str] = set()
        self._expiries: deque[tuple[float, str]] = deque()
        self.secrets = secrets

    def use(self, launch: Launch, now: float) -> tuple[Refusal, str] | None:
        """Use the lease of a launch, or return the reason for a refusal.

        Args:
            now: on the clock of the agent.
        """
        while self._expiries and self._expiries[0][0] < now:
            self._used.discard(self._expiries.popleft()[1])
        lease = SignedLease(
            lease=launch.lease,
            agent=self._agent,
            address=self._address,
            run=launch.run,
            executor_count=1,
            memory_mb=launch.memory_mb,
            issued_at_s=launch.issued_at_s,
            duration_s=launch.duration_s,
        )
        if not is_signed(self.secrets, lease, launch.signature):
            text = (
                "the lease is not signed by this agent's master for this run: it is forged, was "
                "granted before the agent was restarted, or agent and master use other key files"
            )
            return Refusal.NO_PROCESS, text
        ends_at = launch.issued_at_s + launch.duration_s
        if ends_at < now:
            return Refusal.FULL, f"the lease expired {now - ends_at:.1f} s ago"
        if launch.lease in self._used:
            return Refusal.FULL, "the lease has been used"
        self._used.add(launch.lease)
        self._expiries.append((ends_at, launch.lease))
        return None
