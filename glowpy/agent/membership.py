"""The agent's connection to its master: a greeting on every connection, then heartbeats.

Without a connection, the agent sends nothing: stale heartbeats would queue up, and a full queue or
a refused connection would block the agent.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from glowpy.errors import ClusterError, ProtocolError
from glowpy.logger import get_logger
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.greeting import check_welcome, hello_of
from glowpy.wire.messages import AddressProof, Goodbye, Heartbeat, Welcome
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport

log = get_logger(__name__)


class Membership:
    """Reports an agent's state to its master; never blocks.

    A master that refuses the agent before any welcome ends the agent, which no driver could use.
    After a welcome, the agent continues for the drivers that know it.

    Args:
        heartbeat: makes the message with the agent's current state.
    """

    def __init__(
        self,
        transport: Transport,
        poller: Poller,
        master: Address,
        name: str,
        heartbeat: Callable[[], Heartbeat],
        timing: Timing,
    ) -> None:
        self._transport = transport
        self._poller = poller
        self._master = master
        self._hello = hello_of("agent", name)
        self._heartbeat = heartbeat
        self._timing = timing
        self._link: Link | None = self._connect()
        self._is_welcome = False  # on this connection
        self._was_welcome = False
        self._next_beat = 0.0
        self._warning_at = time.monotonic() + timing.first_contact_s

    def changed(self) -> None:
        """Report the agent's changed state with the next `advance`."""
        self._next_beat = 0.0

    def prove(self, nonce: Secret) -> None:
        """Return a nonce to the master, which sent the nonce to the address of this agent."""
        if self._link is not None and self._is_welcome:
            self._link.send(AddressProof(nonce))

    def reconnect(self) -> None:
        """Open a new connection to the master, with the present key."""
        if self._link is not None:
            self._poller.unregister(self._link)
            self._link.close()
        self._link = self._connect()
        self._is_welcome = False

    def leave(self) -> None:
        """Tell the master that the agent ends, so that no further driver is sent here."""
        if self._link is not None and self._is_welcome:
            self._link.send(Goodbye(self._hello.name))

    def advance(self, now: float) -> float:
        """Do what is due; return the latest time of the next call."""
        if now >= self._next_beat:
            self._next_beat = now + self._timing.heartbeat_s
            if self._link is None:
                self._link = self._connect()
            elif self._is_welcome:
                self._link.send(self._heartbeat())
        if now >= self._warning_at and not self._was_welcome:
            self._warning_at = float("inf")
            log.warning("no master answers at %s yet; start one there, or stop this", self._master)
        return self._next_beat

    def _connect(self) -> Link:
        link = self._transport.connect(self._master)
        self._poller.register(link, self._hear)
        return link

    def _hear(self) -> None:
        """Handle events and messages.

        Raises:
            ClusterError, VersionMismatch, ProtocolError: the first listener is no master, or
                refuses this agent.
        """
        link = self._link
        if link is None:
            return
        for event in link.events():
            log.info("master at %s: %s", self._master, event.value)
            self._is_welcome = False
            if event is LinkEvent.CONNECTED:
                link.send(self._hello)
            elif event is LinkEvent.REFUSED:
                self._refused(link)
                return
        try:
            while (received := link.receive()) is not None:
                message, _payload = received
                if isinstance(message, Welcome):
                    check_welcome(message, "master", self._master, "--master ")
                    self._is_welcome = self._was_welcome = True
                    self.changed()
        except (ClusterError, ProtocolError) as exc:
            if not self._was_welcome:
                raise
            log.error("this agent is not welcome any more at %s: %s", self._master, exc)

    def _refused(self, link: Link) -> None:
        """Close a connection without a handshake. ZeroMQ may not retry, so a later beat does."""
        self._poller.unregister(link)
        link.close()
        self._link = None
        if not self._was_welcome:
            raise ClusterError(
                f"the listener at {self._master} refuses this agent's key: name the cluster's "
                "key with --key-file=FILE; it may also be no glowpy master, or one without a key "
                "(--insecure)"
            )
