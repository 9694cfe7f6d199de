"""A client's connection to one master or agent: finds it, greets it, waits for answers.

Clients that only ask (`glowpy status`, `send`, `receive`, a flow's named channels) may block until
an answer arrives. Drivers and agents must not block, and take the same steps as state machines
(`driver/fleets/master_client.py`, `agent/membership.py`).
"""

from __future__ import annotations

import socket
import time
from typing import Any

from glowpy.errors import ClusterError, NoMaster, reason_of
from glowpy.record import NamedTuple
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.greeting import check_welcome, hello_of
from glowpy.wire.messages import Welcome
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport


def completes_handshake(transport: Transport, address: Address, patience_s: float) -> bool:
    """Return True if the server at an address shares this transport's key."""
    link = transport.connect(address)
    poller = Poller()
    poller.register(link, link)
    deadline = time.monotonic() + patience_s
    try:
        while (left_s := deadline - time.monotonic()) > 0:
            for event in link.events():
                return event is LinkEvent.CONNECTED
            poller.poll(left_s)
        return False
    finally:
        poller.unregister(link)
        link.close(is_lost=True)


class ClientIdentity(NamedTuple):
    """The identity of a client for the server's log, and the options that name server and key."""

    role: str
    name: str
    option: str  # "--master ": the prefix of the address
    key_option: str = "--key-file"


class Contact:
    """A connection to one server, opened on first use, which identifies the client.

    Args:
        role: the expected role of the server: "master" or "agent".
        stop: the poller's data for the user's wish to end.
    """

    is_welcome = False  # True once the current connection is welcomed

    def __init__(
        self,
        transport: Transport,
        poller: Poller,
        address: Address,
        role: str,
        caller: ClientIdentity,
        timing: Timing,
        stop: object,
    ) -> None:
        self._transport = transport
        self._poller = poller
        self._address = address
        self._role = role
        self._caller = caller
        self._hello = hello_of(caller.role, caller.name)
        self._timing = timing
        self._stop = stop
        self._link: Link | None = None

    def probe(self) -> None:
        """Check that a server listens at the address, at once; ZeroMQ would retry for ever.

        Raises:
            NoMaster, ClusterError: no server listens.
        """
        try:
            address = (self._address.host or "localhost", self._address.port)
            with socket.create_connection(address, timeout=self._timing.first_contact_s):
                pass
        except OSError as exc:
            raise self._absent(f"no {self._role} at {self._address}: {reason_of(exc)}") from exc

    def handshake(self, patience_s: float) -> bool:
        """Wait for the server's welcome; False: the user wants the end.

        Raises:
            NoMaster, ClusterError: no server of this role answers; VersionMismatch.
        """
        deadline = time.monotonic() + patience_s
        while True:
            while self.receive() is not None:
                pass  # drop late answers
            if self.is_welcome:
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise self.silent(patience_s)
            if self._stop in self._poller.poll(left_s):
                return False

    def send(self, message: Any, payload: bytes | None = None) -> None:
        """Send a message. Raises: ClusterError: the server takes no message."""
        if self._link is not None:
            self._link.send(message, payload)

    def receive(self) -> tuple[Any, bytes] | None:
        """Return the next message and its payload, or None; greets on a new connection.

        Raises:
            NoMaster, ClusterError: the listener has another role or key; VersionMismatch.
        """
        if self._link is None:
            self._link = self._transport.connect(self._address)
            self._poller.register(self._link, self._link)
        while (received := self._link.receive()) is not None:
            if not isinstance(received[0], Welcome):
                return received
            check_welcome(received[0], self._role, self._address, self._caller.option)
            self.is_welcome = True
        for event in self._link.events():
            self.is_welcome = False
            if event is LinkEvent.CONNECTED:
                # not earlier: a message to a server that refuses would wait for ever
                self._link.send(self._hello)
            elif event is LinkEvent.REFUSED:
                self._forget(self._link)
                raise self._failure(
                    f"the listener at {self._address} refuses your key: name the cluster's key "
                    f"with {self._caller.key_option}=FILE; it may also be no glowpy {self._role}, "
                    "or one without a key (--insecure)"
                )
        return None

    def silent(self, waited_s: float) -> ClusterError:
        """Return the error for a server silent for `waited_s`."""
        return self._absent(f"no {self._role} answers at {self._address} (waited {waited_s:g} s)")

    def _forget(self, link: Link) -> None:
        """Close a connection without a handshake. ZeroMQ may not retry: the next `receive` does."""
        self._poller.unregister(link)
        link.close(is_lost=True)
        self._link = None

    def _absent(self, text: str) -> ClusterError:
        start = f"--address {self._address}" if self._role == "master" else "--master HOST:PORT"
        return self._failure(
            f"{text}; start one with `glowpy {self._role} {start}`, or name another by "
            f"{self._caller.option}HOST:PORT"
        )

    def _failure(self, text: str) -> ClusterError:
        return NoMaster(text) if self._role == "master" else ClusterError(text)
