"""Connections of the master to agents, for sending nonces to the addresses in heartbeats."""

from __future__ import annotations

import time
from collections.abc import Callable

from glowpy.errors import ClusterError, ConfigError, ProtocolError
from glowpy.master.admission import Probe
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.address import parse_address
from glowpy.wire.messages import ProveAddress
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport


class Prober:
    """Sends nonces; never waits.

    Args:
        failed: called with a nonce that was not sent or not returned in time, and the reason.
    """

    def __init__(
        self,
        transport: Transport,
        poller: Poller,
        timing: Timing,
        failed: Callable[[Secret, str], None],
    ) -> None:
        self._transport = transport
        self._poller = poller
        self._timing = timing
        self._failed = failed
        self._links: dict[Secret, tuple[Link, float]] = {}  # with the deadline

    def send(self, probe: Probe) -> None:
        """Connect to the address of a probe and send its nonce there."""
        nonce = probe.nonce
        try:
            link = self._transport.connect(parse_address(probe.address))
        except (ClusterError, ConfigError) as exc:
            self._failed(nonce, str(exc))
            return
        self._links[nonce] = link, time.monotonic() + self._timing.first_contact_s
        self._poller.register(link, lambda: self._hear(nonce, link))

    def end(self, nonce: Secret) -> None:
        """Close the connection of a nonce."""
        found = self._links.pop(nonce, None)
        if found is not None:
            self._poller.unregister(found[0])
            found[0].close(is_lost=True)

    def tick(self, now: float) -> None:
        """Give up probes without a proof."""
        for nonce, (link, deadline) in list(self._links.items()):
            if now >= deadline:
                waited_s = self._timing.first_contact_s
                has_link = "it does not answer" if link.is_connected else "no connection"
                self._fail(nonce, f"{has_link} within {waited_s:g} s")

    def _hear(self, nonce: Secret, link: Link) -> None:
        for event in link.events():
            if event is LinkEvent.CONNECTED:
                link.send(ProveAddress(nonce))
            elif event is LinkEvent.REFUSED:
                self._fail(nonce, "the listener there does not hold the key of this cluster")
                return
        try:
            link.receive()  # no answer is expected on this connection
        except ProtocolError as exc:
            self._fail(nonce, str(exc))

    def _fail(self, nonce: Secret, reason: str) -> None:
        self.end(nonce)
        self._failed(nonce, reason)
