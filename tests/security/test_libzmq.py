"""The required version of libzmq, and the clients that servers authenticate."""

from __future__ import annotations

import logging

import pytest
import zmq
import zmq.utils.z85

from glowpy.errors import ConfigError
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.transport import Poller, Transport, check_libzmq
from tests.keys import policy_as

PATIENCE_S = 30.0


@pytest.mark.parametrize(
    ("version", "has_curve", "found"),
    [((4, 3, 2), True, "libzmq 4.3.2;"), ((4, 3, 5), False, "libzmq 4.3.5 without CURVE;")],
)
def test_a_libzmq_that_does_not_do_is_named(
    version: tuple[int, int, int], has_curve: bool, found: str
) -> None:
    check_libzmq((4, 3, 3), has_curve=True)
    with pytest.raises(ConfigError, match=f"needs libzmq 4.3.3 or later with CURVE, .* {found}"):
        check_libzmq(version, has_curve=has_curve)


@pytest.mark.parametrize(("domain", "status"), [(b"glowpy", b"200"), (b"", b"400"), (b"x", b"400")])
def test_the_zap_domain_is_enforced(
    domain: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    policy = policy_as()
    assert policy.own is not None
    with Transport(policy, Timing()) as transport:
        server = transport.serve(Address("127.0.0.1", 0))
        (socket,) = server.sockets()
        assert socket.getsockopt_string(zmq.ZAP_DOMAIN) == "glowpy"
        assert socket.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) == 1
        poller = Poller()
        poller.register(server, server)
        with transport._context.socket(zmq.DEALER) as asking:
            asking.connect("inproc://zeromq.zap.01")
            public = zmq.utils.z85.decode(policy.own.public)
            request = [b"", b"1.0", b"7", domain, b"10.0.0.1", b"", b"CURVE", public]
            asking.send_multipart(request)
            poller.poll(PATIENCE_S)
            assert asking.poll(round(PATIENCE_S * 1000))
            assert asking.recv_multipart()[:4] == [b"", b"1.0", b"7", status]
    refusals = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(refusals) == (status != b"200")
