"""Pulls from failing owners: each loss has its own error, within a bounded time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glowpy.errors import ShardCorrupt, ShardLost
from glowpy.shards.codec import decode
from glowpy.task.reading import LostInputError
from glowpy.wire.transport import Poller
from tests.echoing import TIMING, echoing
from tests.keys import policy_as
from tests.shard_owner import (
    ELSEWHERE,
    NONCE,
    OWNERS_HOST,
    Owner,
    Reader,
    append,
    open_files,
    wait_until,
)

ON_BOTH = pytest.mark.parametrize("host", [OWNERS_HOST, ELSEWHERE], ids=["local", "remote"])
HASTY = TIMING._replace(first_contact_s=0.3, beat_s=0.05)


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


@contextmanager
def lost(attempt: int, words: str, cause: type[Exception] = ShardLost) -> Iterator[None]:
    """Expect the loss of the input from this attempt."""
    with pytest.raises(LostInputError, match=words) as error:
        yield
    assert error.value.attempt == attempt
    assert type(error.value.__cause__) is cause


@ON_BOTH
def test_a_damaged_block_is_corrupt(owner, reader):
    first, second = owner.write(1, [1] * 100, [2] * 100)
    owner.write(2, [3])
    with owner.path(1).open("r+b") as file:
        file.seek(second.offset_bytes + 50)
        file.write(b"\xff")
    (stream,) = reader.streams((owner.address, 1, 0))
    assert next(stream) == [1] * 100
    with lost(
        1, rf"checksum of block at byte {second.offset_bytes} .* does not match", ShardCorrupt
    ):
        next(stream)
    assert reader.rows((owner.address, 2, 0)) == [3]
    assert first.crc32 != second.crc32


@ON_BOTH
def test_a_file_that_is_cut_off(owner, reader, host):
    owner.write(1, [1], [2] * 100)
    os.truncate(owner.path(1), owner.path(1).stat().st_size - 1)
    cause = ShardCorrupt if host == OWNERS_HOST else ShardLost
    with lost(1, r"segment file .*1\.seg ends inside a block", cause):
        reader.rows((owner.address, 1, 0))


@ON_BOTH
def test_a_file_that_is_missing(owner, reader):
    owner.write(1, [1])
    owner.path(1).unlink()
    with lost(1, r"segment file .*1\.seg cannot be opened: No such file"):
        reader.rows((owner.address, 1, 0))


@ON_BOTH
def test_a_file_that_is_not_the_owners(owner, reader):
    owner.write(1, [1])
    data = owner.path(1).read_bytes()
    owner.path(1).write_bytes(data.replace(NONCE, NONCE[::-1]))
    with lost(1, "is not the one its owner wrote"):
        reader.rows((owner.address, 1, 0))


@ON_BOTH
def test_an_attempt_that_is_lost(owner, reader):
    with owner.begin(1) as writer:
        (stream,) = reader.streams((owner.address, 1, 0))
        block = append(writer, 0, [1])
        writer.flush()
        owner.commit(1, [block])
        assert next(stream) == [1]
        owner.lose(1, "its executor died")
        with lost(1, "^its executor died$"):
            next(stream)
    for attempt in (1, 5):
        with lost(attempt, f"attempt {attempt} of run run has no shards here"):
            reader.rows((owner.address, attempt, 0))


@ON_BOTH
def test_an_owner_that_dies(owner, reader):
    with owner.begin(1) as writer:
        streams = reader.streams((owner.address, 1, 0), (owner.address, 1, 1))
        block = append(writer, 0, [1])
        writer.flush()
        owner.commit(1, [block])
        assert next(streams[0]) == [1]
        owner.close()
        for stream in streams:
            with lost(1, f"its owner {owner.address} is lost: the connection was closed"):
                next(stream)


def test_local_files_of_a_lost_owner_are_not_read(owner, poller):
    with Reader(poller, OWNERS_HOST) as reader:
        owner.write(1, [1], [2])
        (stream,) = reader.streams((owner.address, 1, 0))
        assert next(stream) == [1]
        wait_until(poller, lambda: reader.pulls._pulls == {}, "the end of the shard")
        reader.pulls.owner_lost(owner.address, "its agent is lost")
        with lost(1, f"its owner {owner.address} is lost: its agent is lost"):
            next(stream)
        assert owner.path(1).exists()


def test_complete_shards_are_read_after_their_owner_died(owner, poller):
    with Reader(poller, ELSEWHERE) as reader:
        owner.write(1, [1], [2])
        (stream,) = reader.streams((owner.address, 1, 0))
        assert next(stream) == [1]
        wait_until(poller, lambda: reader.pulls._pulls == {}, "the end of the shard")
        owner.close()
        assert list(stream) == [[2]]


def test_an_owner_is_tried_again_after_it_was_lost(owner, poller):
    owner.write(1, [1])
    with Reader(poller, ELSEWHERE) as reader:
        (stream,) = reader.streams((owner.address, 7, 0))
        with lost(7, "has no shards here"):
            next(stream)
        reader.pulls.owner_lost(owner.address, "so it seemed")
        assert reader.rows((owner.address, 1, 0)) == [1]


@pytest.mark.slow
def test_an_owner_that_never_answers(poller):
    with (
        socket.socket() as mute,
        socket.socket() as probe,
        Reader(poller, ELSEWHERE, HASTY) as reader,
    ):
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        probe.bind(("127.0.0.1", 0))
        for each in (mute, probe):
            address = f"127.0.0.1:{each.getsockname()[1]}"
            with lost(3, rf"its owner {address} is lost: no answer in 0\.3 s"):
                reader.rows((address, 3, 0))


@pytest.mark.slow
def test_an_owner_with_another_key(poller):
    words = r"no answer in 0\.3 s: it refuses the connection, perhaps it holds another key"
    with (
        echoing(policy_as()) as address,
        Reader(poller, ELSEWHERE, HASTY) as reader,
        lost(3, words),
    ):
        reader.rows((str(address), 3, 0))


@ON_BOTH
def test_a_stream_that_its_owner_has_forgotten_does_not_wait_for_ever(owner, reader):
    pulls = reader.pulls
    with owner.begin(1) as writer:
        known, forgotten = (pulls.open(owner.address, 1, shard) for shard in (0, 1))
        wait_until(owner.poller, lambda: bool(owner.peers), "the fetches")
        pulls.expire(time.monotonic() + 0.9 * TIMING.peer_lost_s)
        owner.index.cancel(*owner.peers, 2)
        pulls.expire(time.monotonic() + 2 * TIMING.peer_lost_s)
        wait_until(owner.poller, lambda: forgotten.is_ended, "the owner's answer")
        with pytest.raises(ShardLost, match="fetch 2 is not open"):
            forgotten.next_block()
        block = append(writer, 0, [1])
        writer.flush()
        owner.commit(1, [block])
        owner.seal(1)
        wait_until(owner.poller, lambda: known.is_ended, "the other stream")
    assert decode(known.next_block() or b"") == [1]
    assert known.next_block() is None


def test_no_file_stays_open_behind_a_reader(owner, poller):
    with Reader(poller, OWNERS_HOST) as reader:
        for attempt in range(3):
            owner.write(attempt, *[[n] for n in range(5)])
        streams = reader.streams(*[(owner.address, attempt, 0) for attempt in range(3)])
        assert [next(stream) for stream in streams] == [[0]] * 3
        assert open_files(owner.directory) == 0
