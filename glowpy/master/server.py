"""The master's process: sockets and a clock around `Topology` and `Allocator`.

The master stores nothing on disk and needs no new greetings after a restart: the next heartbeat of
each agent restores its state. Go: resource/service_discovery/master/master.go
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from glowpy.errors import ConfigError
from glowpy.logger import get_logger
from glowpy.master.allocator import Allocator
from glowpy.master.channels import ChannelRegistry
from glowpy.master.status import status_of
from glowpy.master.topology import Agent, Topology
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
from glowpy.wire.channel_messages import CHANNEL_MESSAGES, ChannelPlace, FindChannel
from glowpy.wire.frame_bounds import OF_MASTER
from glowpy.wire.greeting import printable, welcome
from glowpy.wire.messages import (
    AskAgain,
    AskExecutors,
    Goodbye,
    Grants,
    Heartbeat,
    Hello,
    ReturnLeases,
    Welcome,
)
from glowpy.wire.security import Policy
from glowpy.wire.status_messages import STATUS_MESSAGES, AskStatus, Status
from glowpy.wire.transport import Poller, Server, Transport

log = get_logger(__name__)

# Messages handled in a row, before the clock and the stop descriptor.
_BATCH = 1000
# The limit of the time spent in passes over all drivers, however many.
_CALLS_PART = 20
_STOP = object()


class Master:
    """Messages in, answers out; logs who comes and goes."""

    def __init__(self, timing: Timing, now: float) -> None:
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

    def handle(
        self, message: Any, now: float, peer: bytes = b""
    ) -> Welcome | Grants | Status | ChannelPlace | None:
        """Handle a message from the connection `peer`; return the answer, if any."""
        match message:
            case Heartbeat():
                self._hear(message, now)
            case Goodbye():
                gone = self._topology.forget(message.agent)
                if gone is not None:
                    self._forget(gone.agent)
                    log.info("%s has left", _in_words(gone), extra={"agent": gone.address})
            case AskExecutors():
                return self._granted(message, self._allocator.ask(message, now, peer))
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

    def _granted(self, ask: AskExecutors, grants: Grants) -> Grants:
        if log.isEnabledFor(logging.DEBUG):
            for lease in grants.leases:
                ids = {"run": ask.driver, "agent": lease.address, "lease": lease.lease}
                log.debug("an executor is granted", extra=ids)
        return grants

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
        for agent in self._topology.evict(now):
            self._forget(agent.agent)
            log.warning(
                "lost %s: no heartbeat for too long",
                _in_words(agent),
                extra={"agent": agent.address},
            )
        self._allocator.expire(now)
        for lease, run, _memory_mb in self._allocator.unused():
            ids = {"lease": lease, "run": run}
            log.info("lease %s was never used", lease, extra=ids)

    def check_invariants(self) -> None:
        """Check the allocator's counts against its leases, for tests."""
        self._allocator.check_invariants()

    def _hear(self, heartbeat: Heartbeat, now: float) -> None:
        fault = _fault_of(heartbeat)
        if fault:
            log.warning("dropped a heartbeat: %s", fault)
            return
        change = self._topology.hear(heartbeat, now)
        if change.replaced is not None:
            self._forget(change.replaced.agent)
            log.info(
                "%s has been restarted",
                _in_words(change.replaced),
                extra={"agent": change.replaced.address},
            )
        if change.joined:
            agent = change.agent
            log.info(
                "%s joined: %d executors, %d MB",
                _in_words(agent),
                agent.executor_limit,
                agent.memory_mb,
                extra={"agent": agent.address},
            )
        self._allocator.hear(change.agent, heartbeat.leases, now)
        self._channels.hear(heartbeat.agent, heartbeat.address, heartbeat.channels)

    def _forget(self, agent: str) -> None:
        self._allocator.forget(agent)
        self._channels.forget(agent)


def serve_master(
    address: Address,
    policy: Policy,
    timing: Timing,
    announce: Callable[[str], None],
    stop: int,
) -> None:
    """Serve until the file descriptor `stop` becomes readable.

    `announce` is called once with the listening address.

    Raises:
        ConfigError: the address cannot be used, or the policy refuses it.
    """
    master = Master(timing, time.monotonic())
    # Agents tell of themselves: that a connection is dead need not be found out any sooner.
    transport_timing = timing._replace(beat_s=timing.heartbeat_s)
    more = STATUS_MESSAGES | CHANNEL_MESSAGES
    with Transport(
        policy, transport_timing, more, bounds=OF_MASTER, keeps_unread=False
    ) as transport:
        server = transport.serve(address, "--address HOST:PORT", has_reserve=True)
        poller = Poller()
        poller.register(server, server)
        poller.register(stop, _STOP)
        announce(str(server.address))
        next_call = time.monotonic()
        next_tick = next_call + timing.tick_s
        while True:
            until = min(next_tick, next_call) if master.has_changed else next_tick
            ready = poller.poll(max(0.0, until - time.monotonic()))
            if _STOP in ready:
                return
            if server in ready:
                _answer_all(server, master)
            now = time.monotonic()
            if now >= next_tick:
                master.tick(now)
                next_tick = now + timing.tick_s
            if now >= next_call and master.has_changed:
                for peer in master.to_call(now):
                    server.send(peer, AskAgain())  # a driver that is gone needs none
                took_s = time.monotonic() - now
                next_call = now + max(timing.call_s, _CALLS_PART * took_s)


def _answer_all(server: Server, master: Master) -> None:
    for _ in range(_BATCH):
        received = server.receive()
        if received is None:
            return
        peer, message, _payload = received
        try:
            _answer(server, master, peer, message, time.monotonic())
        except Exception:  # a fault of ours in one message ends no server
            log.exception("dropped a message that failed: %s", type(message).__name__)


def _answer(server: Server, master: Master, peer: bytes, message: Any, now: float) -> None:
    answer = master.handle(message, now, peer)
    if answer is None or server.send(peer, answer):
        return
    log.debug("a peer left before its %s", type(answer).__name__)
    if isinstance(answer, Grants):  # the leases will not be used
        master.handle(ReturnLeases(tuple(lease.lease for lease in answer.leases)), now)


def _fault_of(heartbeat: Heartbeat) -> str:
    """Why no driver can connect to this agent; empty if its address is usable."""
    try:
        address = parse_address(heartbeat.address)
    except ConfigError as exc:
        return printable(exc)
    return "" if address.host and address.port else f"nobody can connect to {address}"


def _in_words(agent: Agent) -> str:
    place = agent.place
    return f"agent {agent.agent} at {agent.address} ({place.data_center}/{place.rack})"
