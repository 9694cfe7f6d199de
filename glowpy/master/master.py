"""The master without sockets and clock: messages in, answers out.

The master stores nothing on disk and needs no new greetings after a restart: the next heartbeat of
each agent restores its state. Go: resource/service_discovery/master/master.go
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from glowpy.logger import get_logger
from glowpy.master.admission import Admission, Admitted, Decision, Probe, address_fault
from glowpy.master.allocator import Allocator
from glowpy.master.channels import ChannelRegistry
from glowpy.master.signing import with_signatures
from glowpy.master.status import status_of
from glowpy.master.topology import Agent, Topology
from glowpy.ranges import ECHOED_CHARACTERS
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.channel_messages import ChannelPlace, FindChannel
from glowpy.wire.greeting import printable, welcome
from glowpy.wire.messages import (
    AddressProof,
    AskExecutors,
    Goodbye,
    Grants,
    Heartbeat,
    Hello,
    ReturnLeases,
    Welcome,
)
from glowpy.wire.status_messages import AskStatus, Status

log = get_logger(__name__)


class Master:
    """The master without sockets: messages in, answers out; logs joins and losses.

    Args:
        has_keys: heartbeats count once their connection has proved the address of its agent.
    """

    def __init__(self, timing: Timing, now: float, *, has_keys: bool = False) -> None:
        self._begun_at = self._ticked_at = self._judges_from = now
        self._timing = timing
        self._topology = Topology(timing.agent_eviction_s)
        self._channels = ChannelRegistry()
        self._allocator = Allocator(
            lease_s=timing.lease_s,
            demand_s=3 * timing.ask_s,
            turn_s=2 * timing.heartbeat_s,
            mint=lambda: secrets.token_hex(8),
        )
        self._admission = (
            Admission(timing.heartbeat_s, timing.agent_eviction_s, Secret.make)
            if has_keys
            else None
        )
        self._probes: list[Probe] = []
        self.lease_secret = b""  # signs leases; empty: leases are unsigned

    def handle(
        self, message: Any, now: float, peer: bytes = b""
    ) -> Welcome | Grants | Status | ChannelPlace | None:
        """Handle a message from the connection `peer`; return the answer, if any."""
        match message:
            case Heartbeat():
                self._heartbeat(message, now, peer)
            case AddressProof():
                if self._admission is not None:
                    self._decide(self._admission.proof(peer, message.nonce, now), now)
            case Goodbye():
                if self._admission is None or self._admission.speaks_for(peer, message.agent):
                    self._left(message.agent)
            case AskExecutors():
                return self._signed(message, self._allocator.ask(message, now, peer))
            case ReturnLeases():
                self._allocator.give_back(message.leases)
            case FindChannel():
                return self._channels.find(message.channel)
            case AskStatus():
                up_s = now - self._begun_at
                late_s = self._timing.heartbeat_s + self._timing.tick_s
                return status_of(
                    message, self._topology, self._allocator, up_s=up_s, late_s=late_s, now=now
                )
            case Hello():
                answer = welcome(message, "master")
                if answer.refusal:
                    log.warning("refused: %s", answer.refusal)
                return answer
            case _:
                log.warning("dropped a message that no master takes: %s", type(message).__name__)
        return None

    @property
    def has_changed(self) -> bool:
        """True if `to_call` may find a driver."""
        return self._allocator.has_changed

    def to_call(self, now: float) -> list[bytes]:
        """Return the connections that should get `AskAgain`."""
        return self._allocator.to_call(now)

    def probes(self) -> list[Probe]:
        """Return the addresses to be checked, found since the last call."""
        probes, self._probes = self._probes, []
        return probes

    def unreachable(self, nonce: Secret, reason: str, now: float) -> None:
        """Handle an address that could not be checked."""
        if self._admission is not None:
            self._decide(self._admission.unreachable(nonce, reason, now), now)

    def _signed(self, ask: AskExecutors, grants: Grants) -> Grants:
        if log.isEnabledFor(logging.DEBUG):
            for lease in grants.leases:
                ids = {"run": ask.driver, "agent": lease.address, "lease": lease.lease}
                log.debug("an executor is granted", extra=ids)
        if not self.lease_secret:
            return grants
        # The last heartbeat, the source of the clock, may be as old as the eviction time.
        duration_s = self._timing.lease_s + self._timing.agent_eviction_s
        return with_signatures(grants, ask.driver, self.lease_secret, duration_s)

    def tick(self, now: float) -> None:
        """Forget silent agents and unused leases.

        After a stall of this process (it or its machine was suspended), messages received meanwhile
        are still unread: eviction waits for one heartbeat interval, within which every living agent
        is heard.
        """
        if now - self._ticked_at >= self._timing.tick_s + self._timing.heartbeat_s:
            self._judges_from = now + self._timing.heartbeat_s
        self._ticked_at = now
        if now < self._judges_from:
            return
        if self._admission is not None:
            self._decide(self._admission.tick(now), now)
        for agent in self._topology.evict(now):
            self._forget(agent.agent)
            if self._admission is not None:
                self._admission.forget(agent.address)
            log.warning(
                "lost %s: no heartbeat for too long",
                _named(agent),
                extra={"agent": agent.address},
            )
        self._allocator.expire(now)
        for lease, run, _memory_mb in self._allocator.unused():
            ids = {"lease": lease, "run": run}
            log.info("lease %s was never used", lease, extra=ids)

    def check_invariants(self) -> None:
        """Check the allocator's counts against its leases, for tests."""
        self._allocator.check_invariants()

    def _heartbeat(self, heartbeat: Heartbeat, now: float, peer: bytes) -> None:
        fault = address_fault(heartbeat.address)
        if fault:
            log.warning("dropped a heartbeat: %s", fault)
        elif self._admission is None:
            self._hear(heartbeat, now)
        else:
            self._decide(self._admission.heartbeat(peer, heartbeat, now), now)

    def _decide(self, decisions: list[Decision], now: float) -> None:
        for decision in decisions:
            if isinstance(decision, Admitted):
                self._hear(decision.heartbeat, now)
            elif isinstance(decision, Probe):
                self._probes.append(decision)
            else:
                log.warning(
                    "dropped heartbeats of agent %s: its address %s is not proved: %s; "
                    "check --host and --advertise of the agent, and firewalls",
                    *map(printable, decision),
                    extra={"agent": decision.address},
                )

    def _left(self, name: str) -> None:
        gone = self._topology.forget(name)
        if gone is not None:
            self._forget(gone.agent)
            if self._admission is not None:
                self._admission.forget(gone.address)
            log.info("%s has left", _named(gone), extra={"agent": gone.address})

    def _hear(self, heartbeat: Heartbeat, now: float) -> None:
        change = self._topology.hear(heartbeat, now)
        if change.replaced is not None:
            self._forget(change.replaced.agent)
            log.info(
                "%s has been restarted",
                _named(change.replaced),
                extra={"agent": change.replaced.address},
            )
        if change.joined:
            agent = change.agent
            log.info(
                "%s joined: %d executors, %d MB",
                _named(agent),
                agent.executor_limit,
                agent.memory_mb,
                extra={"agent": agent.address},
            )
        self._allocator.hear(change.agent, heartbeat.leases, now)
        self._channels.hear(heartbeat.agent, heartbeat.address, heartbeat.channels)

    def _forget(self, agent: str) -> None:
        self._allocator.forget(agent)
        self._channels.forget(agent)


def _named(agent: Agent) -> str:
    names = agent.agent, agent.address, agent.place.data_center, agent.place.rack
    return "agent {} at {} ({}/{})".format(*[name[:ECHOED_CHARACTERS] for name in names])
