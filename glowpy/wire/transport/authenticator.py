"""The ZAP authenticator of servers with keys: admits or refuses each client by public key."""

from __future__ import annotations

from typing import Any

import zmq
import zmq.utils.z85

from glowpy.errors import ProtocolError
from glowpy.logger import get_logger
from glowpy.secret import Secret
from glowpy.wire.roles import Identity, Role, Rules, admitted_roles, objection
from glowpy.wire.transport.curve import run_key
from glowpy.wire.transport.log_limit import LogLimit

log = get_logger(__name__)

_ENDPOINT = "inproc://zeromq.zap.01"  # ZeroMQ's own


class ZapAuthenticator:
    """The ZAP handler: ZeroMQ calls it for every client that greets a CURVE server.

    ZeroMQ passes the public key of the client on with every message of the connection. Messages of
    a withdrawn key are refused on open connections, too.

    Attributes:
        domain: of the authenticated servers.
    """

    domain = b"glowpy"

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket
        self._members: dict[str, Identity] = {}  # by public key, in hexadecimal digits
        self._refused = LogLimit()
        self.rules: Rules | None = None  # None: every message of every role
        self._tasks: dict[str, Identity] = {}  # by public key of a run
        socket.bind(_ENDPOINT)

    def set_members(self, admits: tuple[tuple[bytes, Role], ...]) -> None:
        """Admit these public keys only, beside the keys of runs.

        Roles that may not send any message are refused in the handshake.
        """
        roles = frozenset(Role) if self.rules is None else admitted_roles(self.rules)
        self._members = {
            _name_of(public): Identity(role) for public, role in admits if role in roles
        }

    def admit_run(self, secret: Secret, run: str) -> None:
        """Admit the tasks of a run."""
        self._tasks[_name_of(run_key(secret).public)] = Identity(Role.TASK, run)

    def dismiss_run(self, run: str) -> None:
        """Stop admitting the tasks of a run."""
        self._tasks = {client: task for client, task in self._tasks.items() if task.run != run}

    def identity(self, client: str) -> Identity | None:
        """Return the peer with this public key; None for a key that is not admitted."""
        return self._members.get(client) or self._tasks.get(client)

    def check(self, client: str, message: Any) -> None:
        """Check that a client may send a message.

        Raises:
            ProtocolError: with the reason.
        """
        identity = self.identity(client)
        if identity is None:
            raise ProtocolError("its key is not admitted any more")
        if self.rules is not None and (fault := objection(self.rules, identity, message)):
            raise ProtocolError(fault)

    def answer(self) -> None:
        """Accept clients with an admitted key; log and refuse other clients."""
        while True:
            try:
                version, request, domain, address, _identity, mechanism, *credentials = (
                    self.socket.recv_multipart(zmq.NOBLOCK)
                )
            except zmq.Again:
                return
            client = credentials[0].hex() if len(credentials) == 1 else ""
            is_curve = (domain, mechanism) == (self.domain, b"CURVE")
            if is_curve and self.identity(client) is not None:
                answer = [b"200", b"OK", client.encode("ascii"), b""]
            else:
                self._log_refusal(address.decode())
                answer = [b"400", b"another key", b"", b""]
            self.socket.send_multipart([version, request, *answer])

    def _log_refusal(self, address: str) -> None:
        if self._refused.admits():
            text = "refused a peer (no. %d) at %s: it holds no key that is admitted here"
            log.warning(text, self._refused.count, address)


def _name_of(public: bytes) -> str:
    return zmq.utils.z85.decode(public).hex()
