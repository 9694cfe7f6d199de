"""Reading shards in the process that has written them: no sockets, but the same index."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import count
from typing import Any

from glowpy.shards.pull import Send, SendBlocks, SendEnd, ShardIndex
from glowpy.shards.receiver import LocatedBlock, PullReceiver
from glowpy.shards.segment import SegmentReader


class LocalPull:
    """Implements `task.reading.Reading` where index and reader are in one process."""

    def __init__(self, index: ShardIndex, number: int, attempt: int) -> None:
        self._index = index
        self._number = number
        self.attempt = attempt
        self.receiver = PullReceiver(0)

    @property
    def has_news(self) -> bool:
        return self.receiver.has_news

    @property
    def is_ended(self) -> bool:
        return self.receiver.is_ended

    def next_block(self) -> bytes | None:
        ready = self.receiver.next_block()
        if ready is None:
            return None
        assert isinstance(ready, LocatedBlock)
        with SegmentReader(ready.path, ready.nonce) as reader:
            return reader.read(ready.block)

    def cancel(self) -> None:
        self._index.cancel(self, self._number)


class LocalPulls:
    """Implements `task.reading.Readings` for one process.

    Args:
        beat_s: nobody can be silent here, but who waits may want to look at other things.
    """

    clock = staticmethod(time.monotonic)

    def __init__(self, index: ShardIndex, run: str, beat_s: float) -> None:
        self._index = index
        self._run = run
        self._beat_s = beat_s
        self._numbers = count(1)

    def open(self, _owner: str, attempt: int, shard: int) -> LocalPull:
        number = next(self._numbers)
        pull = LocalPull(self._index, number, attempt)
        self.serve(
            self._index.fetch(
                pull, number, self._run, attempt, shard,
                first_block=0, credit_bytes=0, is_local=True, secret=b"",
            )
        )  # fmt: skip
        return pull

    def serve(self, sends: Iterable[Send]) -> None:
        """Give readers what the index has for them."""
        for send in sends:
            reader: Any = send.reader
            if isinstance(send, SendBlocks):
                reader.receiver.blocks(send.path, send.nonce, send.blocks)
            elif isinstance(send, SendEnd):
                reader.receiver.end(send.block_count, send.row_count, send.lost)

    def expire(self, now: float) -> None:
        """Nobody can be silent here."""

    def deadline(self, now: float) -> float:
        return now + self._beat_s
