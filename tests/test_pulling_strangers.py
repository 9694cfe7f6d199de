"""Pulls from a server that owns no shards: every answer is verified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from glowpy.errors import ShardLost
from glowpy.shards.segment import Block
from glowpy.wire.coding import Coder
from glowpy.wire.messages import MESSAGES
from glowpy.wire.run_messages import RunClosed
from glowpy.wire.transfers import BlockFrame, Blocks, Fetch, FetchEnd, MoreCredit
from glowpy.wire.transport import Poller
from tests.echoing import BOUND_S
from tests.shard_owner import ELSEWHERE, NONCE, OWNERS_HOST, Reader, wait_until

CODER = Coder(MESSAGES)


@pytest.fixture
def poller() -> Poller:
    return Poller()


class Impostor:
    """Listens at an owner's address, and answers each Fetch with messages of the test."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, round(BOUND_S * 1000))
        self.address = f"127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"

    def fetched(self) -> tuple[bytes, Fetch]:
        peer, message = self.socket.recv_multipart()
        fetch = CODER.decode(message)
        assert isinstance(fetch, Fetch)
        return peer, fetch

    def send(self, peer: bytes, *frames: Any) -> None:
        encoded = [each if type(each) is bytes else CODER.encode(each) for each in frames]
        self.socket.send_multipart([peer, *encoded])


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    with zmq.Context() as context:
        impostor = Impostor(context)
        yield impostor
        impostor.socket.close()


FRAME = Block(0, 44, 4, 1, 0)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([b"garbage"], "is lost: a message"),
        ([b"", b"", b""], "is lost: a message has 3 frames"),
        ([BlockFrame(1, FRAME, 2), b"xx"], "is lost: a frame at byte 2 of a block follows byte 0"),
        ([BlockFrame(1, FRAME, 0), b"xxxxx"], "is lost: a frame at byte 0"),
        ([BlockFrame(1, Block(0, 44, 2**40, 1, 0), 0), bytes(3 << 20)], "more than it has credit"),
    ],
)
def test_a_peer_with_foreign_messages_is_no_owner(poller, impostor, frames, words):
    with Reader(poller, ELSEWHERE) as reader:
        pulls = [reader.pulls.open(impostor.address, 1, shard) for shard in (0, 1)]
        peer, _ = impostor.fetched()
        impostor.send(peer, *frames)
        wait_until(poller, lambda: pulls[0].is_ended, "the loss")
        for pull in pulls:
            with pytest.raises(ShardLost, match=words):
                pull.next_block()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/no/such", "cannot be opened: No such file"),
        ("/a\0b", "cannot be opened: embedded null"),
        ("/\ud800", "cannot be opened: 'utf-8' codec"),
        ("/dev/null", "does not belong to this user"),
        (__file__, "is not the one its owner wrote"),
    ],
)
def test_a_stranger_cannot_make_a_reader_read_other_files(poller, impostor, path, words):
    with Reader(poller, OWNERS_HOST) as reader:
        pull = reader.pulls.open(impostor.address, 1, 0)
        peer, _ = impostor.fetched()
        impostor.send(peer, Blocks(1, path, NONCE, (FRAME,)))
        impostor.send(peer, FetchEnd(1, 1, 1, ""))
        wait_until(poller, lambda: pull.is_ended, "the end")
        with pytest.raises(ShardLost, match=words):
            pull.next_block()


def test_messages_of_unknown_streams_are_ignored(poller, impostor):
    with Reader(poller, ELSEWHERE) as reader:
        pull, cancelled = (reader.pulls.open(impostor.address, 1, shard) for shard in (0, 1))
        peer, _ = impostor.fetched()
        cancelled.cancel()
        for message in (
            FetchEnd(2, 7, 7, ""),
            FetchEnd(99, 0, 0, "lost"),
            MoreCredit(1, 5),
            RunClosed("run"),
            FetchEnd(1, 0, 0, ""),
            FetchEnd(1, 0, 0, "lost after all"),
        ):
            impostor.send(peer, message)
        wait_until(poller, lambda: pull.is_ended, "the end")
        assert pull.next_block() is None
        reader.cancel_all()
