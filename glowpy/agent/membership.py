"""The agent and its master: a greeting on every connection, then heartbeats.

Nothing is sent while there is no connection: stale heartbeats would queue up, and a full queue, or
a connection that was refused, would let the agent wait for its master.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from glowpy.errors import ClusterError, ProtocolError
from glowpy.logger import get_logger
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.greeting import check_welcome, hello_of
from glowpy.wire.messages import Goodbye, Heartbeat, Welcome
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport

log = get_logger(__name__)


class Membership:
    """Keeps a master informed of what an agent has; never waits.

    A master that refuses the agent before it has ever been welcome ends it: nobody would use it.
    Later, it goes on for the drivers that know it.

    Args:
        heartbeat: makes the message that says what the agent has now.
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
        """What the agent has is no longer what it said: tell the master with the next `advance`."""
        self._next_beat = 0.0

    def leave(self) -> None:
        """The agent ends: nobody is to be sent to it any more."""
        if self._link is not None and self._is_welcome:
            self._link.send(Goodbye(self._hello.name))

    def advance(self, now: float) -> float:
        """Do what is due; when to be called again at the latest."""
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
        """Take what has come.

        Raises:
            ClusterError, VersionMismatch, ProtocolError: the master does not want this agent, or is
                none, and never was another.
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
        """No handshake came about. ZeroMQ may not try again, so a later beat does."""
        self._poller.unregister(link)
        link.close()
        self._link = None
        if not self._was_welcome:
            raise ClusterError(
                f"the listener at {self._master} does not hold this agent's key: name the "
                "cluster's by --key-file; or it is no glowpy master, or one without a key "
                "(--insecure)"
            )
