"""A reader's end of one stream: frames become blocks; missing and surplus frames are errors."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.errors import ProtocolError, ShardCorrupt, ShardLost
from glowpy.shards.pull import cost_of
from glowpy.shards.receiver import LocatedBlock, PullReceiver, ReceivedBlock
from glowpy.shards.segment import Block

WINDOW = 8000
NONCE = b"n" * 16


def block(length: int, rows: int = 2) -> Block:
    return Block(0, 1000, length, rows, 0)


def blocks_of(receiver: PullReceiver) -> list[Any]:
    return list(iter(receiver.next_block, None))


def test_frames_become_blocks_in_order() -> None:
    receiver = PullReceiver(WINDOW)
    receiver.frame(block(4), 0, b"abcd")
    receiver.frame(block(6), 0, b"ef")
    assert blocks_of(receiver) == [ReceivedBlock(block(4), b"abcd")]
    receiver.frame(block(6), 2, b"gh")
    assert receiver.next_block() is None
    receiver.frame(block(6), 4, b"ij")
    receiver.frame(block(0), 0, b"")
    assert blocks_of(receiver) == [ReceivedBlock(block(6), b"efghij"), ReceivedBlock(block(0), b"")]
    assert not receiver.is_ended
    receiver.end(3, 6, "")
    assert receiver.is_ended
    assert receiver.next_block() is None
    assert receiver.error is None
    assert receiver.credit_due() == 0


def test_blocks_on_this_host_are_located_and_cost_no_credit() -> None:
    receiver = PullReceiver(WINDOW)
    receiver.blocks("/a", NONCE, [block(10**9), block(2)])
    receiver.end(2, 4, "")
    assert receiver.credit_due() == 0
    assert blocks_of(receiver) == [
        LocatedBlock("/a", NONCE, each) for each in (block(10**9), block(2))
    ]


def test_the_end_may_come_before_the_last_block_is_taken() -> None:
    receiver = PullReceiver(WINDOW)
    receiver.frame(block(1), 0, b"x")
    receiver.end(1, 2, "")
    receiver.fail("its owner died a moment later")
    assert blocks_of(receiver) == [ReceivedBlock(block(1), b"x")]
    assert receiver.next_block() is None


@pytest.mark.parametrize("counts", [(0, 0), (1, 2), (3, 4), (2, 3), (2, 5), (3, 6), (-2, 4)])
def test_an_end_whose_counts_differ_is_none(counts: tuple[int, int]) -> None:
    receiver = PullReceiver(WINDOW)
    receiver.frame(block(1), 0, b"x")
    receiver.blocks("/a", NONCE, [block(1)])
    receiver.end(*counts, "")
    words = (
        rf"ended after 2 blocks and 4 rows, but its owner holds {counts[0]} blocks and {counts[1]}"
    )
    with pytest.raises(ShardCorrupt, match=words):
        blocks_of(receiver)


@pytest.mark.parametrize("data", [b"", b"x"])
def test_an_end_in_the_midst_of_a_block_is_none(data: bytes) -> None:
    receiver = PullReceiver(WINDOW)
    receiver.frame(block(2), 0, data)
    receiver.end(0, 0, "")
    with pytest.raises(ShardCorrupt):
        blocks_of(receiver)


@pytest.mark.parametrize("end", ["lost", "fail"])
def test_a_lost_stream_drops_received_blocks(end: str) -> None:
    receiver = PullReceiver(WINDOW)
    receiver.frame(block(1), 0, b"x")
    receiver.blocks("/a", NONCE, [block(1)])
    receiver.frame(block(2), 0, b"x")
    if end == "lost":
        receiver.end(0, 0, "it died")
    else:
        receiver.fail("it died")
    receiver.fail("and again")
    assert receiver.is_ended
    for _ in range(2):
        with pytest.raises(ShardLost, match=r"^it died$"):
            receiver.next_block()
    assert receiver.credit_due() == 0


FRAMES: list[tuple[Block, int, bytes]] = [
    (block(6), 0, b"abc"),  # the first bytes again
    (block(6), 2, b"c"),
    (block(6), 4, b"e"),
    (block(6), -3, b"d"),
    (block(6), 3, b"defg"),
    (block(7), 3, b"d"),  # of another block
    (block(6, rows=3), 3, b"d"),
    (block(4), 0, b"abcd"),
]


@pytest.mark.parametrize(("of", "position", "data"), FRAMES)
def test_left_out_repeated_and_mixed_bytes_are_noticed(
    of: Block, position: int, data: bytes
) -> None:
    receiver = PullReceiver(WINDOW)
    receiver.frame(block(6), 0, b"abc")
    with pytest.raises(ProtocolError, match=f"at byte {position} of a block follows byte 3"):
        receiver.frame(of, position, data)


@pytest.mark.parametrize(("length", "position"), [(3, 0), (-1, 0), (10, 1), (10, -4)])
def test_a_first_frame_that_does_not_fit_is_noticed(length: int, position: int) -> None:
    with pytest.raises(ProtocolError):
        PullReceiver(WINDOW).frame(block(length), position, b"abcd")


def test_nothing_may_follow_an_end() -> None:
    receiver = PullReceiver(WINDOW)
    receiver.end(0, 0, "")
    for go_on in (
        lambda: receiver.blocks("/a", NONCE, [block(1)]),
        lambda: receiver.frame(block(1), 0, b"x"),
        lambda: receiver.end(0, 0, ""),
        lambda: receiver.end(0, 0, "lost"),
    ):
        with pytest.raises(ProtocolError, match="goes on with a stream that it has ended"):
            go_on()
    assert receiver.error is None


def test_more_than_there_is_credit_for_is_not_taken() -> None:
    receiver = PullReceiver(WINDOW)
    receiver.frame(block(WINDOW), 0, bytes(WINDOW))
    with pytest.raises(ProtocolError, match="more than it has credit for"):
        receiver.frame(block(1), 0, b"x")
    small = PullReceiver(WINDOW)
    with pytest.raises(ProtocolError, match="more than it has credit for"):
        for _ in range(WINDOW):
            small.frame(block(0), 0, b"")


def test_credit_is_due_once_half_of_the_window_has_been_taken() -> None:
    receiver = PullReceiver(WINDOW)
    assert receiver.credit_due() == 0
    for _ in range(4):
        receiver.frame(block(2000), 0, bytes(2000))
    assert receiver.credit_due() == 0  # all blocks wait here
    receiver.next_block()
    assert receiver.credit_due() == 0
    receiver.next_block()
    assert receiver.credit_due() == 4000
    assert receiver.credit_due() == 0
    assert len(blocks_of(receiver)) == 2
    assert receiver.credit_due() == 4000


def test_a_block_larger_than_the_window_comes_through() -> None:
    receiver = PullReceiver(WINDOW)
    large = block(3 * WINDOW)
    granted, position = WINDOW, 0
    while position < large.length_bytes:
        receiver.frame(large, position, bytes(granted))
        position += granted
        granted = receiver.credit_due()
        assert granted == (WINDOW if position < large.length_bytes else 0)
    assert len(blocks_of(receiver)) == 1
    assert receiver.credit_due() == WINDOW


def test_the_number_of_small_unread_blocks_is_limited() -> None:
    receiver = PullReceiver(WINDOW)
    count, credit = 0, WINDOW
    while credit > 0 and count < WINDOW:
        receiver.frame(block(1), 0, b"x")
        count += 1
        credit += receiver.credit_due() - cost_of(1)
    assert count == 8  # the owner counts a kilobyte for each frame
