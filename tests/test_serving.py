"""Shards over real sockets: every reader on every host gets the written rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glowpy.flags import Options
from glowpy.flow.ops.merging import FAN_IN
from glowpy.shards.segment import Block
from glowpy.wire.address import parse_endpoint
from glowpy.wire.run_messages import Beat
from glowpy.wire.security import Policy
from glowpy.wire.transfers import BlockFrame, CancelFetch, Fetch, FetchEnd, MoreCredit
from glowpy.wire.transport import Poller, Transport
from tests.echoing import TIMING, Client
from tests.shard_owner import (
    ELSEWHERE,
    OWNERS_HOST,
    RUN,
    SECRET,
    Owner,
    Reader,
    append,
    open_files,
    skip,
    wait_until,
)

ON_BOTH = pytest.mark.parametrize("host", [OWNERS_HOST, ELSEWHERE], ids=["local", "remote"])


@pytest.fixture
def poller() -> Poller:
    return Poller()


@pytest.fixture
def owner(poller: Poller, tmp_path: Path) -> Iterator[Owner]:
    with Owner(poller, tmp_path) as owner:
        yield owner


@pytest.fixture
def reader(poller: Poller, host: str) -> Iterator[Reader]:
    with Reader(poller, host) as reader:
        yield reader


@ON_BOTH
def test_a_shard_of_many_blocks(owner, reader, host):
    batches = [[(n, str(n)), [n, {"x": n / 7}], b"x" * (n % 50)] for n in range(3000)]
    blocks = owner.write(1, *batches)
    rows = reader.rows((owner.address, 1, 0))
    assert rows == [row for batch in batches for row in batch]
    assert {type(row) for row in rows} == {tuple, list, bytes}
    assert reader.metrics.rows_in == 9000
    expected = (3000, sum(block.length_bytes for block in blocks))
    assert owner.sent() == ((0, 0) if host == OWNERS_HOST else expected)


@ON_BOTH
def test_a_block_over_several_frames(owner, reader, host):
    row = os.urandom(10 << 20)
    (block,) = owner.write(1, [row])
    assert reader.rows((owner.address, 1, 0)) == [row]
    frames, size_bytes = owner.sent()
    assert size_bytes == (0 if host == OWNERS_HOST else block.length_bytes)
    assert frames >= (0 if host == OWNERS_HOST else 3)


@ON_BOTH
def test_a_shard_beyond_4_gib(owner, reader, host):
    with owner.begin(1) as writer:
        blocks = [append(writer, 0, ["before"])]
        writer.flush()
        skip(writer, 5 << 30)
        blocks.append(append(writer, 0, ["behind"]))
        writer.flush()
    owner.commit(1, blocks)
    owner.seal(1)
    assert blocks[1].offset_bytes > 5 << 30
    assert reader.rows((owner.address, 1, 0)) == ["before", "behind"]


@ON_BOTH
def test_a_shard_larger_than_all_credit(owner, reader, host):
    parts = [os.urandom(1 << 20) for _ in range(5)]
    batches = [[parts[n % 5], n] for n in range(40)]
    owner.write(1, *batches)
    assert reader.rows((owner.address, 1, 0)) == [row for batch in batches for row in batch]


@pytest.mark.slow
def test_a_merge_holds_little_of_shards_elsewhere(owner, poller):
    """FAN_IN streams at a time; a merge has read only the necessary blocks."""
    for attempt in range(FAN_IN):
        owner.write(attempt, *[[os.urandom(1 << 20)] for _ in range(12)])
    with Reader(poller, ELSEWHERE) as reader:
        streams = reader.streams(*[(owner.address, attempt, 0) for attempt in range(FAN_IN)])
        for stream in streams:
            next(stream)
        frames, sent_bytes = owner.sent()
        assert frames > FAN_IN
        assert sent_bytes < Options().task_memory_mb << 20


def test_one_block_larger_than_all_credit(owner, poller):
    row = os.urandom(5 << 20) * 4
    owner.write(1, [row])
    with Reader(poller, ELSEWHERE) as reader:
        assert reader.rows((owner.address, 1, 0)) == [row]


@ON_BOTH
def test_shards_without_rows(owner, reader, host):
    owner.write(1)
    owner.write(2, [1], shard=5)
    assert reader.rows(*[(owner.address, attempt, 0) for attempt in (1, 2, 1)]) == []
    assert not owner.path(1).exists()


@ON_BOTH
def test_many_shards_of_many_attempts_in_shard_order(owner, reader, host):
    for attempt in range(100):
        with owner.begin(attempt) as writer:
            blocks = [append(writer, shard, [(attempt, shard)]) for shard in range(7)]
            writer.flush()
        owner.commit(attempt, blocks)
        owner.seal(attempt)
    sources = [(owner.address, attempt, 3) for attempt in range(100)]
    assert reader.rows(*sources) == [(attempt, 3) for attempt in range(100)]
    assert open_files(owner.directory) <= 64
    assert owner.sent()[0] == (0 if host == OWNERS_HOST else 100)
    assert open_files(owner.directory) == 0


@pytest.mark.slow
def test_several_readers_at_once_get_all_of_it(owner, poller):
    batches = [[n] * 1000 for n in range(300)]
    owner.write(1, *batches)
    owner.write(2, *reversed(batches))
    readers = [Reader(poller, host) for host in (OWNERS_HOST, ELSEWHERE) * 3]
    streams = [
        stream
        for reader in readers
        for stream in reader.streams((owner.address, 1, 0), (owner.address, 2, 0))
    ]
    got = [list(batches) for batches in zip(*streams, strict=True)]  # read in turn
    assert got == [[batch, batches[299 - n]] * 6 for n, batch in enumerate(batches)]
    for reader in readers:
        reader.__exit__()
    assert owner.sent()[0] == 3 * 600


@ON_BOTH
def test_a_shard_is_read_while_it_is_written(owner, reader, host):
    with owner.begin(1) as writer:
        (stream,) = reader.streams((owner.address, 1, 0))
        for number in range(20):
            block = append(writer, 0, [number])
            writer.flush()
            owner.commit(1, [block, append(writer, 1, ["other shard"])])
            assert next(stream) == [number]
        writer.flush()
    owner.seal(1)
    assert list(stream) == []


@ON_BOTH
def test_blocks_for_vanished_readers_are_not_sent(owner, reader, host):
    with owner.begin(1) as writer:
        (stream,) = reader.streams((owner.address, 1, 0))
        blocks = [append(writer, 0, [number]) for number in range(3)]
        writer.flush()
        owner.commit(1, blocks[:1])
        assert next(stream) == [0]
        reader.cancel_all()
        (peer,) = owner.peers
        wait_until(owner.poller, lambda: is_forgotten(owner, peer, 1), "the end of the stream")
        owner.commit(1, blocks[1:])
    assert owner.sent()[0] == (0 if host == OWNERS_HOST else 1)


def is_forgotten(owner: Owner, peer: bytes, fetch: int) -> bool:
    return bool(owner.index.more_credit(peer, fetch, 0))


def test_a_file_that_was_deleted_is_let_go(owner, poller):
    for attempt in (1, 2):
        owner.write(attempt, ["row"])
    with Reader(poller, ELSEWHERE) as reader:
        assert reader.rows((owner.address, 1, 0), (owner.address, 2, 0)) == ["row", "row"]
    assert open_files(owner.directory) == 2
    for path in (str(owner.path(1)), str(owner.path(1)), "of somebody else"):
        owner.shards.let_go(path)
        assert open_files(owner.directory) == 1


def test_a_reader_that_has_gone_is_forgotten(owner, poller):
    with owner.begin(1) as writer:
        blocks = [append(writer, 0, [0]) for _ in range(10_000)]
        writer.flush()
        with Reader(poller, ELSEWHERE) as reader:
            (stream,) = reader.streams((owner.address, 1, 0))
            owner.commit(1, blocks[:1])
            assert next(stream) == [0]
            reader.pulls._pulls.clear()  # like the death of the reader: no fetch is cancelled
        (peer,) = owner.peers
        assert not is_forgotten(owner, peer, 1)
        later = iter(blocks[1:])
        wait_until(
            poller,
            lambda: owner.commit(1, [next(later)]) or is_forgotten(owner, peer, 1),
            "a send that fails",
        )
        owner.sent()
        owner.commit(1, list(later))
        assert owner.sent() == (0, 0)


def raw_reader(owner: Owner) -> tuple[Transport, Client]:
    transport = Transport(Policy(insecure=True), TIMING)
    client = Client(transport.connect(parse_endpoint(owner.address)))
    return transport, client


def arrived(client: Client) -> list[tuple[Any, bytes]]:
    client.receive_all()
    return client.messages


def fetch(attempt: int, **changes: int) -> Fetch:
    values = {"fetch": attempt, "shard": 0, "first_block": 0, "credit_bytes": 1 << 20} | changes
    return Fetch(run=RUN, attempt=attempt, reader_host=ELSEWHERE, secret=SECRET, **values)


def test_a_stream_that_breaks_has_one_end_and_others_go_on(owner, poller):
    for attempt in (1, 2):
        owner.write(attempt, *[[n] for n in range(50)])
    os.truncate(owner.path(1), 100)
    transport, client = raw_reader(owner)
    with transport:
        for attempt in (1, 2):
            client.link.send(fetch(attempt))
        wait_until(poller, lambda: len(arrived(client)) >= 53, "both streams")
        of_first = [message for message, _ in client.messages if message.fetch == 1]
        assert [type(message) for message in of_first] == [BlockFrame, BlockFrame, FetchEnd]
        assert of_first[-1] == FetchEnd(
            1, 0, 0, f"segment file {owner.path(1)} ends inside a block"
        )
        assert client.messages[-1][0] == FetchEnd(2, 50, 50, "")


def test_nothing_follows_the_end_of_a_stream_that_broke(owner, poller):
    transport, client = raw_reader(owner)
    with owner.begin(1) as writer, transport:
        block = append(writer, 0, [1])
        writer.flush()
        client.link.send(fetch(1))
        wait_until(poller, lambda: bool(owner.peers), "the fetch")
        owner.commit(1, [block._replace(offset_bytes=10**9)])
        owner.commit(1, [block])
        owner.seal(1)
        client.link.send(fetch(1, fetch=2, shard=9))
        wait_until(poller, lambda: len(arrived(client)) >= 2, "both ends")
        lost = FetchEnd(1, 0, 0, f"segment file {owner.path(1)} ends inside a block")
        assert [message for message, _ in client.messages] == [lost, FetchEnd(2, 0, 0, "")]


def test_no_message_of_a_stranger_harms_the_owner(owner, poller):
    (real,) = owner.write(1, [1])
    for attempt, bad in enumerate(
        [
            Block(0, -1, 5, 1, 0),
            Block(0, 24, -5, 1, 0),
            Block(0, 2**63, 5, 1, 0),
            Block(0, real.offset_bytes, 2**64 - 1, 1, 0),
        ],
        start=20,
    ):
        owner.write(attempt, [1])
        owner.begin(attempt)
        owner.commit(attempt, [bad])
        owner.seal(attempt)
    transport, client = raw_reader(owner)
    strange = [
        fetch(1, fetch=2, first_block=2**63 - 1),
        fetch(1, fetch=2**63 - 1, credit_bytes=2**63 - 1, shard=2**31 - 1),
        fetch(1, fetch=3, credit_bytes=0),
        fetch(1, fetch=5, credit_bytes=-1),
        fetch(7, fetch=4),
        *[fetch(attempt) for attempt in range(20, 24)],
        MoreCredit(3, -1),
        MoreCredit(3, 2**63 - 1),
        MoreCredit(77, 1),
        CancelFetch(77),
    ]
    with transport:
        for message in strange:
            client.link.send(message)
        client.link.send(fetch(1, fetch=99))
        is_done = (FetchEnd(99, 1, 1, ""), b"")
        wait_until(poller, lambda: is_done in arrived(client), "the last answer")
        ends = {each.fetch: each for each, _ in client.messages if isinstance(each, FetchEnd)}
    assert ends[2] == FetchEnd(2, 1, 1, "")
    assert ends[2**63 - 1] == FetchEnd(2**63 - 1, 0, 0, "")
    assert ends[3] == FetchEnd(3, 1, 1, "")
    assert 5 not in ends, "a negative credit was accepted"
    assert ends[4].lost == "attempt 7 of run run has no shards here"
    for attempt in range(20, 24):
        assert ends[attempt].lost == f"segment file {owner.path(attempt)} ends inside a block"
    assert ends[77].lost == "fetch 77 is not open"
    assert owner.shards.receive(b"peer", Beat("r")) is False
