"""The reader's side of the pull protocol (see `shards.pull`), without sockets."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from glowpy.errors import ProtocolError, ShardCorrupt, ShardLost
from glowpy.record import NamedTuple
from glowpy.shards.pull import cost_of
from glowpy.shards.segment import Block


class LocatedBlock(NamedTuple):
    """A block to read from the owner's segment file on this host."""

    path: str
    nonce: bytes
    block: Block


class ReceivedBlock(NamedTuple):
    """A block with its received bytes, not yet compared with the checksum."""

    block: Block
    payload: bytes


Ready: TypeAlias = LocatedBlock | ReceivedBlock


class PullReceiver:
    """The reader's side of one stream: assembles frames, and checks that none is missing."""

    def __init__(self, credit_bytes: int) -> None:
        self._ready: deque[Ready] = deque()
        self._unfinished: Block | None = None
        self._parts: list[bytes] = []  # of the unfinished block
        self._position_bytes = 0
        self._block_count = 0
        self._row_count = 0
        self._window_bytes = credit_bytes
        self._outstanding_bytes = credit_bytes  # granted, not received
        self._buffered_bytes = 0  # of complete blocks not yet read, by their cost
        self.is_ended = False
        self.error: ShardLost | ShardCorrupt | None = None

    def blocks(self, path: str, nonce: bytes, blocks: Sequence[Block]) -> None:
        """Add blocks on this host."""
        self._check_open()
        for block in blocks:
            self._ready.append(LocatedBlock(path, nonce, block))
            self._count(block)

    def frame(self, block: Block, position_bytes: int, data: bytes) -> None:
        """Add bytes of a block.

        Raises:
            ProtocolError: the owner left out or repeated bytes, or exceeded its credit.
        """
        self._check_open()
        end = position_bytes + len(data)
        is_next = position_bytes == self._position_bytes and end <= block.length_bytes
        if not is_next or block != (self._unfinished or block):
            raise ProtocolError(
                f"a frame at byte {position_bytes} of a block follows byte {self._position_bytes}"
            )
        if len(data) > self._outstanding_bytes:
            raise ProtocolError("an owner sends more than it has credit for")
        self._unfinished = block
        self._parts.append(data)
        self._position_bytes = end
        self._outstanding_bytes -= cost_of(len(data))
        if end == block.length_bytes:
            payload = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._ready.append(ReceivedBlock(block, payload))
            self._buffered_bytes += cost_of(block.length_bytes)
            self._count(block)
            self._unfinished = None
            self._parts = []
            self._position_bytes = 0

    def end(self, block_count: int, row_count: int, lost: str) -> None:
        """End the stream, or fail it with the owner's reason."""
        self._check_open()
        if lost:
            self.fail(lost)
            return
        self.is_ended = True
        counts = self._block_count, self._row_count
        if (block_count, row_count) != counts or self._unfinished is not None:
            self.error = ShardCorrupt(
                f"a shard ended after {self._block_count} blocks and {self._row_count} rows, "
                f"but its owner holds {block_count} blocks and {row_count} rows"
            )

    def fail(self, reason: str) -> None:
        """Fail the stream and drop its blocks, which are useless without the rest."""
        if not self.is_ended:
            self.is_ended = True
            self.error = ShardLost(reason)
            self._ready.clear()
            self._parts.clear()

    def restart(self, unread: Block) -> int:
        """Drop the located blocks from `unread` on, and return the number of the first.

        For a reader that cannot open the file and fetches the blocks again by the socket.
        """
        forgotten = [unread, *(ready.block for ready in self._ready)]
        self._ready.clear()
        self._block_count -= len(forgotten)
        self._row_count -= sum(block.row_count for block in forgotten)
        self.is_ended = False
        self.error = None
        return self._block_count

    @property
    def has_news(self) -> bool:
        """True after a complete block, the end, or an error."""
        return bool(self._ready) or self.is_ended

    def next_block(self) -> Ready | None:
        """Return the next complete block; None if no block has arrived, or after the last.

        Raises:
            ShardLost, ShardCorrupt: the stream ended with this error.
        """
        if self._ready:
            ready = self._ready.popleft()
            if isinstance(ready, ReceivedBlock):
                self._buffered_bytes -= cost_of(ready.block.length_bytes)
            return ready
        if self.error is not None:
            raise self.error
        return None

    def credit_due(self) -> int:
        """Return the bytes of credit to grant now, once half of the window is free.

        The parts of an unfinished block do not count, so that a block larger than the window can be
        transferred.
        """
        free = self._window_bytes - self._outstanding_bytes - self._buffered_bytes
        if self.is_ended or free < self._window_bytes // 2:
            return 0
        self._outstanding_bytes += free
        return free

    def _count(self, block: Block) -> None:
        self._block_count += 1
        self._row_count += block.row_count

    def _check_open(self) -> None:
        if self.is_ended:
            raise ProtocolError("an owner goes on with a stream that it has ended")
