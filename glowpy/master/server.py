"""The process of a master: sockets and a clock around `Master`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from glowpy.logger import get_logger
from glowpy.master.master import Master
from glowpy.master.probing import Prober
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.channel_messages import CHANNEL_MESSAGES
from glowpy.wire.frame_bounds import OF_MASTER
from glowpy.wire.key_source import KeySource, take_keys
from glowpy.wire.messages import (
    AddressProof,
    AskAgain,
    Grants,
    ReturnLeases,
)
from glowpy.wire.roles import MASTER_RULES
from glowpy.wire.security import Policy
from glowpy.wire.status_messages import STATUS_MESSAGES
from glowpy.wire.transport import FEW_SOCKETS, Poller, Server, Transport

log = get_logger(__name__)

# Messages handled in a row, before the clock and the stop descriptor.
_BATCH = 1000
# The limit of the time spent in passes over all drivers, however many.
_CALLS_PART = 20


def serve_master(
    address: Address,
    policy: Policy,
    timing: Timing,
    announce: Callable[[str], None],
    stop: int,
    keys: KeySource | None = None,
) -> None:
    """Serve until the file descriptor `stop` becomes readable.

    `announce` is called once with the listening address.

    Raises:
        ConfigError: the address cannot be used, or the policy refuses it.
    """
    # Heartbeats detect a lost agent, so dead connections may be detected late.
    transport_timing = timing._replace(beat_s=timing.heartbeat_s)
    more = STATUS_MESSAGES | CHANNEL_MESSAGES
    with (
        Transport(
            policy, transport_timing, more, bounds=OF_MASTER, keeps_unread=False
        ) as transport,
        Transport(
            policy, timing.without_linger(), bounds=OF_MASTER, most_sockets=FEW_SOCKETS
        ) as probing,
    ):
        MasterServer(address, policy, timing, transport, probing, announce).serve(stop, keys)


class MasterServer:
    """The sockets and the clock around a `Master`.

    Args:
        probing: for connections to agents. ZeroMQ resolves the names of hosts in the thread of all
            connections of a transport, so a slow resolver must not stop those of the server.
    """

    def __init__(
        self,
        address: Address,
        policy: Policy,
        timing: Timing,
        transport: Transport,
        probing: Transport,
        announce: Callable[[str], None],
    ) -> None:
        self._timing = timing
        self._transport = transport
        self._probing = probing
        self._master = Master(timing, time.monotonic(), has_keys=not policy.is_keyless)
        self._sign_with(policy)
        self._server = transport.serve(
            address, "--address HOST:PORT", rules=MASTER_RULES, has_reserve=True
        )
        self._poller = Poller()
        self._poller.register(self._server, self._answer_all)
        self._prober = Prober(probing, self._poller, timing, self._unreachable)
        announce(str(self._server.address))

    def serve(self, stop: int, keys: KeySource | None) -> None:
        """Serve until `stop` is readable."""
        master, poller = self._master, self._poller
        has_stopped = False

        def end() -> None:
            nonlocal has_stopped
            has_stopped = True

        poller.register(stop, end)
        if keys is not None:
            poller.register(keys.changed, lambda: take_keys(keys, self._use))
        next_call = time.monotonic()
        next_tick = next_call + self._timing.tick_s
        while True:
            until = min(next_tick, next_call) if master.has_changed else next_tick
            for handle in poller.poll(max(0.0, until - time.monotonic())):
                handle()
            if has_stopped:
                return
            for probe in master.probes():
                self._prober.send(probe)
            now = time.monotonic()
            if now >= next_tick:
                master.tick(now)
                self._prober.tick(now)
                next_tick = now + self._timing.tick_s
            if now >= next_call and master.has_changed:
                for peer in master.to_call(now):
                    self._server.send(peer, AskAgain())  # a driver that has left needs none
                took_s = time.monotonic() - now
                next_call = now + max(self._timing.call_s, _CALLS_PART * took_s)

    def _use(self, policy: Policy) -> None:
        self._transport.use(policy)
        self._probing.use(policy)
        self._sign_with(policy)

    def _sign_with(self, policy: Policy) -> None:
        # Agents that have not read their new file yet know the older secret only.
        self._master.lease_secret = policy.lease_secrets[-1] if policy.lease_secrets else b""

    def _unreachable(self, nonce: Secret, reason: str) -> None:
        self._master.unreachable(nonce, reason, time.monotonic())

    def _answer_all(self) -> None:
        for _ in range(_BATCH):
            received = self._server.receive()
            if received is None:
                return
            peer, message, _payload = received
            if isinstance(message, AddressProof):
                self._prober.end(message.nonce)
            try:
                _answer(self._server, self._master, peer, message, time.monotonic())
            except Exception:  # a bug met by one message ends no server
                log.exception("dropped a message that failed: %s", type(message).__name__)


def _answer(server: Server, master: Master, peer: bytes, message: Any, now: float) -> None:
    answer = master.handle(message, now, peer)
    if answer is None or server.send(peer, answer):
        return
    log.debug("a peer left before its %s", type(answer).__name__)
    if isinstance(answer, Grants):  # the leases will not be used
        master.handle(ReturnLeases(tuple(lease.lease for lease in answer.leases)), now)
