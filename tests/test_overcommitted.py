"""An agent refuses launches beyond its limits; the driver asks the master again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glowpy.master.signing import with_signatures
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.greeting import welcome
from glowpy.wire.messages import (
    AskExecutors,
    Grants,
    Heartbeat,
    Hello,
    Lease,
    ReturnLeases,
)
from glowpy.wire.transport import Poller, Server, Transport
from tests.gate import SCRIPT, Gate
from tests.keys import own_policy
from tests.processes import BOUND_S, server, started


class GenerousMaster:
    """A master that grants two executors of each agent at the first request, without limits."""

    def __init__(self, transport: Transport) -> None:
        self._server: Server = transport.serve(Address("127.0.0.1", 0))
        self._poller = Poller()
        self._poller.register(self._server, self._receive)
        self._agents: dict[str, Heartbeat] = {}
        self._is_over = threading.Event()
        self.address = str(self._server.address)
        self.granted: list[str] = []
        self.given_back: list[str] = []
        self.is_asked_again = threading.Event()  # for more executors, after a return

    def serve(self) -> None:
        while not self._is_over.is_set():
            for handle in self._poller.poll(0.05):
                handle()

    def end(self) -> None:
        self._is_over.set()

    def _receive(self) -> None:
        while (received := self._server.receive()) is not None:
            peer, message, _payload = received
            if isinstance(message, Hello):
                self._server.send(peer, welcome(message, "master"))
            elif isinstance(message, Heartbeat):
                self._agents[message.agent] = message
            elif isinstance(message, AskExecutors):
                if self.given_back and message.executor_count:
                    self.is_asked_again.set()
                self._server.send(peer, self._grants(message))
            elif isinstance(message, ReturnLeases):
                self.given_back += message.leases

    def _grants(self, ask: AskExecutors) -> Grants:
        leases = [
            Lease(
                f"lease-{number}",
                beat.agent,
                beat.address,
                "dc",
                "r",
                1,
                64,
                issued_at_s=beat.clock_s,
            )
            for beat in self._agents.values()
            for number in range(2)
            if not self.granted
        ]
        self.granted += [lease.lease for lease in leases]
        grants = Grants(tuple(leases), None, len(self._agents), 2, 1024, ask.number)
        (secret,) = own_policy().lease_secrets
        return with_signatures(grants, ask.driver, secret, duration_s=60.0)


@contextmanager
def generous_master() -> Iterator[GenerousMaster]:
    with Transport(own_policy(), Timing()) as transport:
        master = GenerousMaster(transport)
        thread = threading.Thread(target=master.serve)
        thread.start()
        try:
            yield master
        finally:
            master.end()
            thread.join()


@pytest.mark.slow
def test_launches_over_the_limit_are_refused_and_repeated(tmp_path: Path) -> None:
    """The rows wait for the driver's second request: one executor runs all of them."""
    script = (
        SCRIPT
        + """
def wait(row):
    pass_gate("row", row)
    return os.getpid()

print(len(set(Flow().slice(range(30), 30).map(wait).collect())))
"""
    )
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    with generous_master() as master, Gate() as gate:
        place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "agent")]
        words = ["--master", master.address, *place, "--max.executors", "1"]
        with server(tmp_path, "agent", *words, "--log-level", "info") as agent:
            flags = ["-glow", f"-glow.leader={master.address}", gate.port]
            with started(tmp_path, "script.py", *flags) as driver:
                assert master.is_asked_again.wait(BOUND_S)
                gate.open()
                ended = driver.finish()
            agent.log.await_match("refused: all 1 executors of this agent are taken")
    assert (ended.status, ended.stdout) == (0, "1\n"), ended.stderr
    assert master.granted == ["lease-0", "lease-1"]
    assert "lease-1" in master.given_back
