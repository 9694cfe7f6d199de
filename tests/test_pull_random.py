"""The pull protocol under any order of events: every stream is complete, lost or cancelled."""

from __future__ import annotations

from collections import deque
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowpy.errors import ShardLost
from glowpy.shards import pull
from glowpy.shards.pull import Send, SendBlocks, SendEnd, SendFrame, ShardIndex, cost_of
from glowpy.shards.receiver import LocatedBlock, PullReceiver
from glowpy.shards.segment import Block

RUN, ATTEMPT, PATH, NONCE = "run", 1, "/segment", b"n" * 16
SHARDS, READERS = 2, 3
WINDOW = 40  # with frames of 8 bytes that cost 4 at least, a dozen blocks exceed the window

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.integers(0, SHARDS - 1),
            st.lists(st.binary(max_size=30), max_size=4),
        ),
        st.tuples(st.just("fetch"), st.integers(0, READERS - 1), st.integers(0, 2 * SHARDS - 1)),
        st.tuples(st.sampled_from(["deliver", "answer", "take", "ask"]), st.integers(0, 7)),
        st.tuples(st.sampled_from(["seal", "lose", "cancel", "gone"]), st.integers(0, 30)),
    ),
    max_size=60,
)


class Stream:
    """One fetch, with the messages in transit on both sides."""

    def __init__(self, shard: int, is_local: bool) -> None:
        self.shard = shard
        self.is_local = is_local
        self.receiver = PullReceiver(WINDOW)
        self.to_reader: deque[Send] = deque()
        self.to_owner: deque[int] = deque()  # credit
        self.rows: list[bytes] = []
        self.granted = WINDOW
        self.cost = self.size_bytes = 0
        self.is_cancelled = False
        self.error = ""


class World:
    """An owner with a file, readers, and their connections."""

    def __init__(self) -> None:
        self.index = ShardIndex()
        self.index.open(RUN, ATTEMPT, PATH, NONCE, None)
        self.file = b""
        self.written: list[list[bytes]] = [[] for _ in range(SHARDS)]
        self.is_sealed = self.is_lost = False
        self.streams: dict[tuple[int, int], Stream] = {}

    def step(self, verb: str, *values: object) -> None:
        match verb, *values:
            case "write", int(shard), list(payloads):
                self.write(shard, payloads)
            case "fetch", int(reader), int(kind):
                self.fetch(reader, kind // 2, is_local=kind % 2 == 0)
            case "seal", int():
                self.is_sealed = self.is_sealed or not self.is_lost
                self.post(self.index.seal(RUN, ATTEMPT))
            case "lose", int(chance) if chance == 0:
                self.is_lost = True
                self.post(self.index.lose(RUN, ATTEMPT, "it died"))
            case "gone", int(reader) if reader < READERS:
                self.index.reader_gone(reader)
                for key in [key for key in self.streams if key[0] == reader]:
                    del self.streams[key]
            case _, int(which) if self.streams:
                key = list(self.streams)[which % len(self.streams)]
                self.in_stream(verb, key, self.streams[key])

    def in_stream(self, verb: str, key: tuple[int, int], stream: Stream) -> None:
        match verb:
            case "deliver" if stream.to_reader:
                self.deliver(stream)
            case "answer" if stream.to_owner:
                self.post(self.index.more_credit(*key, stream.to_owner.popleft()))
            case "take":
                self.take(stream)
            case "ask" if not stream.receiver.is_ended:
                stream.to_owner.append(0)
            case "cancel":
                stream.is_cancelled = True
                self.index.cancel(*key)

    def write(self, shard: int, payloads: list[bytes]) -> None:
        blocks = []
        for payload in payloads:
            blocks.append(Block(shard, len(self.file), len(payload), len(payload) + 1, 0))
            self.file += payload
        if not self.is_sealed and not self.is_lost:
            self.written[shard] += payloads
        self.post(self.index.commit(RUN, ATTEMPT, blocks))

    def fetch(self, reader: int, shard: int, *, is_local: bool) -> None:
        key = reader, len(self.streams) + 100 * reader
        if key in self.streams:
            return
        self.streams[key] = Stream(shard, is_local)
        self.post(
            self.index.fetch(
                *key,
                RUN,
                ATTEMPT,
                shard,
                first_block=0,
                credit_bytes=WINDOW,
                is_local=is_local,
                secret=b"",
            )
        )

    def post(self, sends: list[Send]) -> None:
        for send in sends:
            assert isinstance(send.reader, int)
            stream = self.streams[send.reader, send.fetch]
            assert not stream.is_cancelled or isinstance(send, SendEnd)
            if isinstance(send, SendFrame):
                assert not stream.is_local
                assert 0 <= send.length_bytes <= pull.FRAME_BYTES
                assert stream.cost < stream.granted, "no frame without credit"
                stream.cost += cost_of(send.length_bytes)
                stream.size_bytes += send.length_bytes
                assert stream.size_bytes <= stream.granted, "beyond credit"
            stream.to_reader.append(send)

    def deliver(self, stream: Stream) -> None:
        send = stream.to_reader.popleft()
        if stream.receiver.is_ended or stream.is_cancelled:
            assert isinstance(send, SendEnd) or stream.is_cancelled
        elif isinstance(send, SendBlocks):
            assert stream.is_local
            stream.receiver.blocks(send.path, send.nonce, send.blocks)
        elif isinstance(send, SendFrame):
            first = send.block.offset_bytes + send.position_bytes
            data = self.file[first : first + send.length_bytes]
            stream.receiver.frame(send.block, send.position_bytes, data)
            self.grant(stream)
        else:
            stream.receiver.end(send.block_count, send.row_count, send.lost)

    def take(self, stream: Stream) -> bool:
        if stream.is_cancelled:
            return False
        try:
            ready = stream.receiver.next_block()
        except ShardLost as exc:
            stream.error = str(exc)
            return False
        if ready is None:
            return False
        if isinstance(ready, LocatedBlock):
            first = ready.block.offset_bytes
            stream.rows.append(self.file[first : first + ready.block.length_bytes])
        else:
            stream.rows.append(ready.payload)
            self.grant(stream)
        return True

    def grant(self, stream: Stream) -> None:
        due = stream.receiver.credit_due()
        if due:
            stream.granted += due
            stream.to_owner.append(due)

    def settle(self) -> None:
        """Deliver all messages in transit, until no side sends another message."""
        is_moving = True
        while is_moving:
            is_moving = False
            for key, stream in self.streams.items():
                while stream.to_reader:
                    self.deliver(stream)
                    is_moving = True
                while self.take(stream):
                    is_moving = True
                if stream.to_owner:
                    self.post(self.index.more_credit(*key, stream.to_owner.popleft()))
                    is_moving = True


@pytest.mark.slow
@mock.patch.object(pull, "_LEAST_COST_BYTES", 4)
@mock.patch.object(pull, "FRAME_BYTES", 8)
@settings(max_examples=400)
@given(STEPS, st.sampled_from(["as it is", "seal", "lose"]))
def test_readers_get_every_block_in_any_order_of_events(
    steps: list[tuple[str]], ending: str
) -> None:
    world = World()
    for step in steps:
        world.step(*step)
        for stream in world.streams.values():
            expected = world.written[stream.shard]
            assert stream.rows == expected[: len(stream.rows)]  # in order, without duplicates
    world.settle()
    if not world.is_lost:  # readers of a running attempt get all written blocks, sealed or not
        for stream in world.streams.values():
            assert stream.is_cancelled or stream.rows == world.written[stream.shard]
            assert stream.is_cancelled or stream.receiver.is_ended == world.is_sealed
    if ending != "as it is":
        world.step(ending, 0)
        world.settle()
    for stream in world.streams.values():
        if stream.is_cancelled:
            continue
        if not stream.receiver.is_ended:
            assert not world.is_sealed
            assert not world.is_lost
        elif stream.receiver.error is None:
            assert world.is_sealed
            assert stream.rows == world.written[stream.shard]
        else:
            assert world.is_lost
            assert stream.error
