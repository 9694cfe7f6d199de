"""An agent continues after invalid or unexpected messages of any peer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from glowpy.program.manifest import Manifest, ShippedFile
from glowpy.program.program import Script
from glowpy.secret import Secret
from glowpy.wire.address import parse_address
from glowpy.wire.channel_messages import (
    CHANNEL_MESSAGES,
    ChannelRows,
    ChannelState,
    EndChannel,
    OpenChannel,
)
from glowpy.wire.coding import Coder
from glowpy.wire.frame_bounds import CONTROL_BYTES
from glowpy.wire.greeting import hello_of
from glowpy.wire.messages import MESSAGES, Welcome
from glowpy.wire.run_messages import Beat, Launch, LaunchRefused, OpenRun, RunOpened, RunRefused
from glowpy.wire.security import Policy
from glowpy.wire.transfers import Fetch, FetchFile, FileFrame
from glowpy.wire.transport import Link, Poller, Server, Transport
from tests.echoing import BOUND_S, LOOPBACK, TIMING
from tests.processes import server

SECRET = Secret(b"s" * 16)
pytestmark = pytest.mark.slow


class Peer:
    """A peer that sends messages to an agent."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._poller = Poller()
        self._poller.register(link, lambda: None)

    def send(self, message: Any, payload: bytes | None = None) -> None:
        self._link.send(message, payload)

    @contextmanager
    def serving(self, server: Server, handle: Callable[[], None]) -> Iterator[None]:
        """Serve a second server within the block."""
        self._poller.register(server, handle)
        yield
        self._poller.unregister(server)

    def receive(self, kind: type) -> Any:
        """The next message of a kind."""
        deadline = time.monotonic() + BOUND_S
        while (left_s := deadline - time.monotonic()) > 0:
            received = self._link.receive()
            if received is None:
                for handle in self._poller.poll(left_s):
                    handle()
                self._link.events()
            elif isinstance(received[0], kind):
                return received[0]
        raise AssertionError(f"no {kind.__name__} has come")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("agent")
    nowhere = "127.0.0.1:1"
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(directory / "own")]
    with server(directory, "agent", "--master", nowhere, *place, "--insecure") as served:
        yield served.address


@pytest.fixture
def peer(address: str) -> Iterator[Peer]:
    with Transport(Policy(insecure=True), TIMING, CHANNEL_MESSAGES) as transport:
        peer = Peer(transport.connect(parse_address(address)))
        yield peer
        peer.send(hello_of("driver", "still there?"))
        assert peer.receive(Welcome).refusal == ""


@pytest.mark.parametrize("row_count", [0, 1 << 32, (1 << 63) - 1])
def test_rows_that_no_block_can_have(peer: Peer, row_count: int) -> None:
    peer.send(OpenChannel("odd"))
    assert peer.receive(ChannelState).refusal == ""
    peer.send(ChannelRows("odd", row_count), b"one line\n")
    assert peer.receive(ChannelState).refusal == f"a block of 1 lines was sent as {row_count} rows"
    peer.send(EndChannel("odd"))
    assert "does not take it from this sender" in peer.receive(ChannelState).refusal


def test_a_name_so_long_that_no_answer_can_repeat_it(peer: Peer) -> None:
    overhead = len(Coder(MESSAGES).encode(Fetch(1, "x" * (1 << 20), 1, 1, 1, 1, "", SECRET))) - (
        1 << 20
    )
    peer.send(Beat("x" * (CONTROL_BYTES - overhead)))
    peer.send(Fetch(1, "x" * (CONTROL_BYTES - overhead), 1, 1, 1, 1, "", SECRET))


@pytest.mark.parametrize("name", ["null\0byte", "equals=sign", "half \ud800"])
def test_an_environment_that_no_process_can_have(peer: Peer, name: str, tmp_path: Path) -> None:
    program = Script((), "nowhere", Manifest(())).to_json()
    run = f"r{len(name)}"
    peer.send(OpenRun(run, 1, 0, program, "127.0.0.1:1", "/", {name: "x"}, 0, "", SECRET), b"")
    peer.receive(RunOpened)
    peer.send(Launch(run, "e1", "lease", 1))
    assert peer.receive(LaunchRefused).reason.startswith("cannot start a process: ")


@pytest.mark.parametrize("program_server", ["", "nowhere", "ipc://", "ipc:///" + "x" * 200])
def test_a_program_that_cannot_be_had(peer: Peer, program_server: str) -> None:
    program = Script((), "nowhere", Manifest(())).to_json()
    peer.send(OpenRun("refused", 1, 0, program, program_server, "/", {}, 0, "", SECRET), b"")
    assert peer.receive(RunRefused).reason


def test_a_driver_that_sends_a_file_without_end(peer: Peer) -> None:
    """Empty frames, each of which counts as a heartbeat."""
    entry = ShippedFile(0, "x.py", "0" * 64, 5)
    program = Script((), "r0/x.py", Manifest((entry,))).to_json()
    with Transport(Policy(insecure=True), TIMING) as transport:
        files = transport.serve(LOOPBACK)
        peer.send(OpenRun("slow", 1, 0, program, str(files.address), "/", {}, 0, "", SECRET), b"")

        def send_nothing() -> None:
            while (received := files.receive()) is not None:
                to, message, _payload = received
                if isinstance(message, FetchFile):
                    files.send(to, FileFrame("slow", entry.sha256, 0, 5), b"")

        with peer.serving(files, send_nothing):
            assert "was changed or removed" in peer.receive(RunRefused).reason
