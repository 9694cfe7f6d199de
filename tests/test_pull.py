"""Transcripts of the owner's end of the pull protocol."""

from __future__ import annotations

import pytest

from glowpy.shards.blocks import PackedBlocks
from glowpy.shards.pull import FRAME_BYTES, SendBlocks, SendEnd, SendFrame, ShardIndex
from glowpy.shards.segment import Block
from tests.pull_transcript import NONCE, RUN, SECRET, transcript


def test_a_complete_shard() -> None:
    transcript("""
        > a1 begins
        > a1 writes 0:10 1:20 0:30
        > a1 is whole
        > r#1 wants a1.0 credit 5000
          r#1: 10 bytes of 10 from 0
          r#1: 30 bytes of 30 from 0
          r#1: end of 2 blocks, 4 rows
        > r#2 wants a1.1
          r#2: in /a1 lie 20
          r#2: end of 1 blocks, 2 rows
        > r#3 wants a1.2 credit 5000
          r#3: end of 0 blocks, 0 rows
        > r#4 wants a1.2
          r#4: end of 0 blocks, 0 rows
    """)


def test_a_shard_that_is_being_written() -> None:
    transcript("""
        > a1 begins
        > r#1 wants a1.0 credit 50000
        > s#1 wants a1.0
        > s#2 wants a1.1
        > a1 writes 0:10
          r#1: 10 bytes of 10 from 0
          s#1: in /a1 lie 10
        > a1 writes 1:20
          s#2: in /a1 lie 20
        > a1 writes 0:30 1:40 0:50
          r#1: 30 bytes of 30 from 0
          r#1: 50 bytes of 50 from 0
          s#1: in /a1 lie 30 50
          s#2: in /a1 lie 40
        > a1 is whole
          r#1: end of 3 blocks, 6 rows
          s#1: end of 3 blocks, 6 rows
          s#2: end of 2 blocks, 4 rows
        > a1 writes 0:60
        > a1 is whole
    """)


def test_an_attempt_that_writes_nothing() -> None:
    transcript("""
        > a1 begins
        > r#1 wants a1.0 credit 1000
        > a1 is whole
          r#1: end of 0 blocks, 0 rows
    """)


def test_credit_bounds_what_is_sent() -> None:
    transcript("""
        > a1 begins
        > a1 writes 0:3000 0:3000 0:3000
        > a1 is whole
        > r#1 wants a1.0 credit 5000
          r#1: 3000 bytes of 3000 from 0
          r#1: 2000 bytes of 3000 from 0
        > r#1 takes 2024
          r#1: 1000 bytes of 3000 from 2000
          r#1: 1000 bytes of 3000 from 0
        > r#1 takes 9000
          r#1: 2000 bytes of 3000 from 1000
          r#1: end of 3 blocks, 6 rows
    """)


def test_a_frame_costs_more_than_its_few_bytes() -> None:
    transcript("""
        > a1 begins
        > a1 writes 0:1 0:2 0:0 0:3
        > r#1 wants a1.0 credit 2048
          r#1: 1 bytes of 1 from 0
          r#1: 2 bytes of 2 from 0
        > r#1 takes 1
          r#1: 0 bytes of 0 from 0
        > r#1 takes 1023
        > r#1 takes 1
          r#1: 1 bytes of 3 from 0
    """)


def test_no_credit_no_bytes_but_an_end() -> None:
    transcript("""
        > a1 begins
        > a1 writes 0:10
        > r#1 wants a1.0 credit 0
        > r#2 wants a1.1 credit 0
        > r#3 wants a1.0 credit -7
        > a1 is whole
          r#2: end of 0 blocks, 0 rows
        > r#3 takes -7
        > r#1 takes 0
        > r#3 takes 10
          r#3: 10 bytes of 10 from 0
          r#3: end of 1 blocks, 2 rows
    """)


def test_a_block_larger_than_a_frame() -> None:
    assert FRAME_BYTES == 4 << 20
    transcript("""
        > a1 begins
        > a1 writes 0:10000000
        > r#1 wants a1.0 credit 9000000
          r#1: 4194304 bytes of 10000000 from 0
          r#1: 4194304 bytes of 10000000 from 4194304
          r#1: 611392 bytes of 10000000 from 8388608
        > a1 is whole
        > r#1 takes 9000000
          r#1: 1000000 bytes of 10000000 from 9000000
          r#1: end of 1 blocks, 2 rows
    """)


def test_no_reader_makes_an_owner_queue_without_bound() -> None:
    index = ShardIndex()
    index.open(RUN, 1, "/a1", NONCE, SECRET)
    for number, more in ((1, 0), (2, 2**64)):
        index.fetch(
            "r", number, RUN, 1, 0, first_block=0, credit_bytes=2**64, is_local=False, secret=SECRET
        )
        index.more_credit("r", number, more)
    sends = index.commit(RUN, 1, [Block(0, 0, 1 << 40, 1, 0)])
    for number in (1, 2):
        frames = [each for each in sends if isinstance(each, SendFrame) and each.fetch == number]
        assert sum(frame.length_bytes for frame in frames) == 16 << 20
    index.commit(RUN, 1, [Block(1, 0, 1, 1, 0)] * 25_000)
    sends = index.fetch(
        "r", 3, RUN, 1, 1, first_block=0, credit_bytes=0, is_local=True, secret=SECRET
    )
    located = [len(send.blocks) for send in sends if isinstance(send, SendBlocks)]
    assert located == [10_000, 10_000, 5_000]


def test_a_stream_may_begin_at_a_later_block() -> None:
    transcript("""
        > a1 begins
        > a1 writes 0:10 0:20 0:30
        > r#1 wants a1.0 from 1 credit 5000
          r#1: 20 bytes of 20 from 0
          r#1: 30 bytes of 30 from 0
        > r#2 wants a1.0 from 2
          r#2: in /a1 lie 30
        > r#3 wants a1.0 from 9
        > r#4 wants a1.0 from -9
          r#4: in /a1 lie 10 20 30
        > r#5 wants a1.0 from -1 credit 1
          r#5: 1 bytes of 10 from 0
        > a1 is whole
          r#1: end of 3 blocks, 6 rows
          r#2: end of 3 blocks, 6 rows
          r#3: end of 3 blocks, 6 rows
          r#4: end of 3 blocks, 6 rows
    """)


def test_a_lost_attempt_is_lost_to_every_reader_for_ever() -> None:
    transcript("""
        > a1 begins
        > a2 begins
        > a1 writes 0:10
        > r#1 wants a1.0
          r#1: in /a1 lie 10
        > r#2 wants a1.5 credit 7
        > s#1 wants a2.0
        > a1 is lost: the executor died
          r#1: lost, the executor died
          r#2: lost, the executor died
        > a1 writes 0:10
        > a1 is whole
        > a1 is lost: again
        > r#3 wants a1.0
          r#3: lost, attempt 1 of run run has no shards here
        > a2 is whole
          s#1: end of 0 blocks, 0 rows
        > a2 is lost: later
        > s#2 wants a2.0
          s#2: lost, attempt 2 of run run has no shards here
    """)


def test_the_end_of_a_run() -> None:
    index = ShardIndex()
    index.open("other", 1, "/other", NONCE, SECRET)
    index.fetch("r", 9, "other", 1, 0, first_block=0, credit_bytes=0, is_local=True, secret=SECRET)
    for attempt in (1, 2):
        index.open(RUN, attempt, "/a", NONCE, SECRET)
        index.fetch(
            "r",
            attempt,
            RUN,
            attempt,
            0,
            first_block=0,
            credit_bytes=0,
            is_local=True,
            secret=SECRET,
        )
    assert index.attempts_of(RUN) == [1, 2]
    lost = [SendEnd("r", 1, 0, 0, "over"), SendEnd("r", 2, 0, 0, "over")]
    assert index.drop_run(RUN, "over") == lost
    assert index.drop_run(RUN, "over") == []
    assert index.attempts_of(RUN) == []
    assert index.seal("other", 1) == [SendEnd("r", 9, 0, 0, "")]


def test_cancelled_and_vanished_readers_get_nothing_more() -> None:
    transcript("""
        > a1 begins
        > r#1 wants a1.0
        > r#2 wants a1.0 credit 0
        > s#1 wants a1.0
        > r#1 has enough
        > r#1 has enough
        > a1 writes 0:10
          s#1: in /a1 lie 10
        > r is gone
        > r is gone
        > a1 is whole
          s#1: end of 1 blocks, 2 rows
        > s#1 has enough
        > s is gone
    """)


def test_a_number_is_used_once_at_a_time_but_by_many_readers() -> None:
    transcript("""
        > a1 begins
        > r#1 wants a1.0
        > s#1 wants a1.0
        > r#1 wants a1.0
          r#1: lost, fetch 1 is open already
        > a1 is whole
          r#1: end of 0 blocks, 0 rows
          s#1: end of 0 blocks, 0 rows
        > r#1 wants a1.0
          r#1: end of 0 blocks, 0 rows
    """)


def test_a_reader_can_ask_whether_its_stream_goes_on() -> None:
    transcript("""
        > a1 begins
        > r#1 wants a1.0 credit 100
        > r#1 takes 0
        > r is gone
        > r#1 takes 0
          r#1: lost, fetch 1 is not open
    """)


@pytest.mark.parametrize("length", [-5, 2**63])
def test_impossible_blocks_are_left_to_the_reader_of_the_file(length: int) -> None:
    index = ShardIndex()
    index.open(RUN, 1, "/a1", NONCE, SECRET)
    index.commit(RUN, 1, [Block(0, 0, length, 1, 0)])
    sends = index.fetch(
        "r", 1, RUN, 1, 0, first_block=0, credit_bytes=100, is_local=False, secret=SECRET
    )
    assert [type(send) for send in sends] == [SendFrame]


def test_blocks_are_packed_and_come_out_as_they_went_in() -> None:
    blocks = PackedBlocks(7)
    written = [
        Block(7, 24 + place, 1 << (place % 60), place, 0xFFFFFFFF - place) for place in range(99)
    ]
    for block in written:
        blocks.append(block)
    assert len(blocks) == 99 and blocks.row_count == sum(range(99))
    assert [blocks.at(place) for place in range(99)] == written
    assert blocks.between(97, 200) == tuple(written[97:]) and blocks.between(99, 100) == ()
    for bad in (Block(7, -1, 1, 1, 1), Block(7, 1 << 64, 1, 1, 1), Block(7, 1, 1, 1 << 32, 1)):
        blocks.append(bad)
        assert blocks.at(len(blocks) - 1) == Block(7, (1 << 64) - 1, 1, 0, 0), "in no file"
    assert blocks.row_count == sum(range(99))


@pytest.mark.parametrize("secret", ["another", "none"])
def test_a_run_that_a_reader_does_not_know_looks_like_no_run(secret: str) -> None:
    transcript(f"""
        > a1 begins
        > a1 writes 0:10
        > m#1 wants a1.0 secret {secret}
          m#1: lost, attempt 1 of run run has no shards here
        > m#1 wants a1.0 credit 5000 secret {secret}
          m#1: lost, attempt 1 of run run has no shards here
        > m#1 takes 5000
          m#1: lost, fetch 1 is not open
        > a1 is whole
        > m#1 wants a1.0 secret {secret}
          m#1: lost, attempt 1 of run run has no shards here
        > r#1 wants a1.0
          r#1: in /a1 lie 10
          r#1: end of 1 blocks, 2 rows
    """)


def test_shards_without_a_secret_are_for_every_reader() -> None:
    index = ShardIndex()
    index.open("@channel", 1, "/a1", NONCE, None)
    index.seal("@channel", 1)
    for number, secret in enumerate((b"", SECRET)):
        assert index.fetch(
            "r", number, "@channel", 1, 0,
            first_block=0, credit_bytes=0, is_local=True, secret=secret,
        ) == [SendEnd("r", number, 0, 0, "")]  # fmt: skip
