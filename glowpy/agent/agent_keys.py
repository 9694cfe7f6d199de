"""The keys and the clock of a running agent, for checking leases and starting tasks."""

from __future__ import annotations

import time

from glowpy.agent.lease_check import LeaseCheck
from glowpy.wire.run_messages import Launch, Refusal
from glowpy.wire.security import Policy


class AgentKeys:
    """The policy in use; SIGHUP replaces the policy.

    Args:
        agent: name of the agent; each start has a new name.
    """

    def __init__(self, agent: str, address: str, policy: Policy) -> None:
        self._began_at = time.monotonic()
        self._is_keyless = policy.is_keyless
        self._leases = LeaseCheck(agent, address, policy.lease_secrets)
        self.server_public = policy.server.public if policy.server is not None else b""

    def clock_s(self) -> float:
        """Seconds since the start of this agent."""
        return time.monotonic() - self._began_at

    def use_lease(self, launch: Launch) -> tuple[Refusal, str] | None:
        """Use the lease of a launch, or return the reason for a refusal."""
        return None if self._is_keyless else self._leases.use(launch, self.clock_s())

    def use(self, policy: Policy) -> None:
        """Check later leases with the secrets of another policy."""
        self._leases.secrets = policy.lease_secrets
