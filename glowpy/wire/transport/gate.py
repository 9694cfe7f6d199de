"""Who may talk to a server with a key: asked for every client, before its first message."""

from __future__ import annotations

import zmq
import zmq.utils.z85

from glowpy.logger import get_logger
from glowpy.wire.security import ClusterKey

log = get_logger(__name__)

_ENDPOINT = "inproc://zeromq.zap.01"  # ZeroMQ's own


class Gate:
    """The ZAP handler: ZeroMQ asks it about every client that greets a CURVE server.

    Attributes:
        domain: of the servers that it answers for.
    """

    domain = b"glowpy"

    def __init__(self, socket: zmq.Socket[bytes], key: ClusterKey) -> None:
        self.socket = socket
        self._public = zmq.utils.z85.decode(key.public)
        socket.bind(_ENDPOINT)

    def answer(self) -> None:
        """Accept clients that have proved to hold the cluster's key; log the others."""
        while True:
            try:
                version, request, domain, address, _identity, mechanism, *credentials = (
                    self.socket.recv_multipart(zmq.NOBLOCK)
                )
            except zmq.Again:
                return
            proof = domain, mechanism, credentials
            welcome = proof == (self.domain, b"CURVE", [self._public])
            if not welcome:
                log.warning("refused a peer at %s: it does not hold this key", address.decode())
            status = (b"200", b"OK") if welcome else (b"400", b"another key")
            self.socket.send_multipart([version, request, *status, b"", b""])
