"""An owner of shards and its readers, on real sockets, served by one poller."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from glowpy.agent.serving import ShardServer
from glowpy.secret import Secret
from glowpy.shards.codec import encode
from glowpy.shards.pull import ShardIndex
from glowpy.shards.segment import Block, SegmentWriter
from glowpy.task.metrics import AttemptMetrics
from glowpy.task.pulling import Pulls
from glowpy.task.reading import streams_of
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.run_messages import Assign
from glowpy.wire.security import Policy
from glowpy.wire.shard_locations import ShardLocations
from glowpy.wire.transport import Poller, Transport
from tests.echoing import BOUND_S, TIMING

RUN = "run"
NONCE = bytes(range(16))
SECRET = Secret(b"s" * 16)
OWNERS_HOST, ELSEWHERE = "127.0.0.1", "127.0.0.2"
Source = tuple[str, int, int]  # owner, attempt, shard


class Owner:
    """Writes shards and serves them to readers. A context manager."""

    def __init__(self, poller: Poller, directory: Path) -> None:
        self.directory = directory
        self.poller = poller
        self.transport = Transport(Policy(insecure=True), TIMING)
        self.server = self.transport.serve(Address(OWNERS_HOST, 0))
        self.address = str(self.server.address)
        self.index = ShardIndex()
        self.shards = ShardServer(self.index, self.server, OWNERS_HOST)
        self.peers: set[bytes] = set()
        self.is_closed = False
        poller.register(self.server, self.receive)

    def receive(self) -> None:
        while (received := self.server.receive()) is not None:
            self.peers.add(received[0])
            assert self.shards.receive(*received[:2])

    def path(self, attempt: int) -> Path:
        return self.directory / f"{attempt}.seg"

    def begin(self, attempt: int) -> SegmentWriter:
        """Open an attempt and return the writer of its file."""
        path = str(self.path(attempt))
        self.index.open(RUN, attempt, path, NONCE, SECRET)
        return SegmentWriter(path, NONCE)

    def commit(self, attempt: int, blocks: Sequence[Block]) -> None:
        self.shards.carry_out(self.index.commit(RUN, attempt, blocks))

    def seal(self, attempt: int) -> None:
        self.shards.carry_out(self.index.seal(RUN, attempt))

    def lose(self, attempt: int, reason: str) -> None:
        self.shards.carry_out(self.index.lose(RUN, attempt, reason))

    def write(self, attempt: int, *batches: list[Any], shard: int = 0) -> list[Block]:
        """Write a complete attempt with one shard of one block for each batch of rows."""
        with self.begin(attempt) as writer:
            blocks = [append(writer, shard, batch) for batch in batches]
            writer.flush()
        self.commit(attempt, blocks)
        self.seal(attempt)
        return blocks

    def sent(self) -> tuple[int, int]:
        """Frames and bytes sent through the socket since the last call."""
        served = self.shards.forget(str(self.directory))
        return served.frames, served.size_bytes

    def close(self) -> None:
        """Close the sockets, as the death of the process would; repeated calls do nothing."""
        if not self.is_closed:
            self.is_closed = True
            self.poller.unregister(self.server)
            self.shards.close()
            self.transport.close()

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def append(writer: SegmentWriter, shard: int, batch: list[Any]) -> Block:
    return writer.append(shard, encode(batch), len(batch))


def skip(writer: SegmentWriter, size_bytes: int) -> None:
    """Leave a hole of this size in the file, which uses no disk space."""
    writer._end_bytes = os.lseek(writer._descriptor, size_bytes, os.SEEK_CUR)


class Reader:
    """Reads shards as an executor does. A context manager."""

    def __init__(self, poller: Poller, host: str, timing: Timing = TIMING) -> None:
        self.poller = poller
        self.transport = Transport(Policy(insecure=True), timing)
        self.pulls = Pulls(self.transport, poller, host, RUN, SECRET, timing)
        self.metrics = AttemptMetrics()
        self._deadline = time.monotonic() + BOUND_S

    def streams(self, *sources: Source) -> list[Iterator[list[Any]]]:
        """A stream of batches for each source."""
        edges: list[list[Source]] = []
        for source in sources:  # consecutive shards of one attempt make one edge
            if not edges or source[2] != edges[-1][-1][2] + 1:
                edges.append([])
            edges[-1].append(source)
        inputs = [ShardLocations.of(edge[0][2], [each[:2] for each in edge]) for edge in edges]
        assign = Assign(RUN, "e", 0, 99, tuple(inputs))
        found = streams_of(self.pulls, assign, self.wait, self.metrics)
        return [iter(stream) for streams in found for stream in streams]

    def rows(self, *sources: Source) -> list[Any]:
        """All rows of some shards, one shard after the other."""
        return [row for stream in self.streams(*sources) for batch in stream for row in batch]

    def wait(self, until: float, _pulls: object = ()) -> None:
        assert time.monotonic() < self._deadline, "waited for a shard"
        wait(self.poller, until)

    def cancel_all(self) -> None:
        for pull, _owner in list(self.pulls._pulls.values()):
            pull.cancel()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.cancel_all()
        for owner in list(self.pulls._owners):
            self.pulls.owner_lost(owner, "the test is over")
        self.transport.close()


def wait(poller: Poller, until: float) -> None:
    """Handle the next events, waiting at most until a monotonic time."""
    for handle in poller.poll(max(0.0, until - time.monotonic())):
        handle()


def wait_until(poller: Poller, is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + BOUND_S
    while not is_so():
        assert time.monotonic() < deadline, f"waited for {what}"
        wait(poller, time.monotonic() + 0.05)


def open_files(directory: Path) -> int:
    """Number of files of a directory that this process holds open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith(str(directory))
        except FileNotFoundError:  # the descriptor of this listing
            continue
    return found
