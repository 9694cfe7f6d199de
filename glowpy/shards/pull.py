"""The pull protocol without sockets: transfers the blocks of a shard from owner to reader.

    reader                         owner
    Fetch(shard, credit)      ->
                              <-   Blocks (their locations)   to a reader on the owner's host
                              <-   BlockFrame (their bytes)   to other readers, within credit
    MoreCredit                ->
                              <-   FetchEnd(counts) | FetchEnd(lost)

A fetch from an attempt that is still writing waits for further blocks. End of stream and loss are
never confused: an end is valid only if its counts agree with the received blocks. A fetch without
the secret of the run gets the same answer as a fetch from an unknown attempt. Both sides count
credit by `cost_of` a frame. A reader that receives nothing for long sends MoreCredit(0): an owner
that does not know the fetch, or has dropped it, answers that it is lost. A reader on the owner's
host may lack permission to open the file, as another user; it cancels, and fetches the rest without
naming its host.

This module is the owner's side; the reader's side is `shards.receiver`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias

from glowpy.ranges import ECHOED_CHARACTERS
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.shards.blocks import PackedBlocks
from glowpy.shards.segment import Block

FRAME_BYTES = 4 << 20
_LEAST_COST_BYTES = 1 << 10  # of a frame: queues hold messages, however small
_MOST_CREDIT_BYTES = 16 << 20  # of one stream, so that no reader can make an owner queue more
_LOCATED_AT_ONCE = 10_000  # blocks in one message
_NONE = PackedBlocks(0)
Reader: TypeAlias = Hashable
AttemptKey: TypeAlias = tuple[str, int]  # run, attempt
FetchKey: TypeAlias = tuple[Reader, int]  # and the reader's number for the stream


class SendBlocks(NamedTuple):
    """Send the locations of blocks to a reader on this host."""

    reader: Reader
    fetch: int
    path: str
    nonce: bytes
    blocks: tuple[Block, ...]


class SendFrame(NamedTuple):
    """Send a part of a block's bytes."""

    reader: Reader
    fetch: int
    path: str
    nonce: bytes
    block: Block
    position_bytes: int
    length_bytes: int


class SendEnd(NamedTuple):
    """Tell a reader that its shard is complete, or why it is lost."""

    reader: Reader
    fetch: int
    block_count: int
    row_count: int
    lost: str


Send: TypeAlias = SendBlocks | SendFrame | SendEnd


class _OpenFetch:
    """One reader's stream."""

    position_bytes = 0  # within the block

    def __init__(
        self,
        reader: Reader,
        number: int,
        attempt: AttemptKey,
        shard: int,
        is_local: bool,
        credit_bytes: int,
        next_block: int,
    ) -> None:
        self.reader = reader
        self.number = number
        self.attempt = attempt
        self.shard = shard
        self.is_local = is_local
        self.credit_bytes = credit_bytes
        self.next_block = next_block


class _StoredAttempt:
    """The blocks written by one attempt so far."""

    is_sealed = False

    def __init__(self, path: str, nonce: bytes, secret: Secret | None) -> None:
        self.path = path
        self.nonce = nonce
        self.secret = secret
        self.blocks: dict[int, PackedBlocks] = {}  # by shard; shards without rows are missing
        self.waiting: dict[int, dict[FetchKey, _OpenFetch]] = {}  # by shard


def cost_of(length_bytes: int) -> int:
    """Return the credit used by a frame."""
    return max(length_bytes, _LEAST_COST_BYTES)


class ShardIndex:
    """All shards of one owner, and their readers. Every method returns the messages to send."""

    def __init__(self) -> None:
        self._attempts: dict[AttemptKey, _StoredAttempt] = {}
        self._fetches: dict[FetchKey, _OpenFetch] = {}

    def open(self, run: str, attempt: int, path: str, nonce: bytes, secret: Secret | None) -> None:
        """Register an attempt that starts to write.

        Args:
            secret: of the run, required from readers; None: any reader may fetch the shards.
        """
        self._attempts[run, attempt] = _StoredAttempt(path, nonce, secret)

    def commit(self, run: str, attempt: int, blocks: Sequence[Block]) -> list[Send]:
        """Add blocks to an attempt; blocks of unknown and sealed attempts are dropped."""
        entry = self._attempts.get((run, attempt))
        if entry is None or entry.is_sealed:
            return []
        touched = {}
        for block in blocks:
            of_shard = entry.blocks.get(block.shard)
            if of_shard is None:
                of_shard = entry.blocks[block.shard] = PackedBlocks(block.shard)
            of_shard.append(block)
            touched[block.shard] = True
        return [send for shard in touched for send in self._serve_shard(entry, shard)]

    def seal(self, run: str, attempt: int) -> list[Send]:
        """Mark an attempt as complete, and send the end to readers that have all blocks."""
        entry = self._attempts.get((run, attempt))
        if entry is None:
            return []
        entry.is_sealed = True
        return [send for shard in list(entry.waiting) for send in self._serve_shard(entry, shard)]

    def lose(self, run: str, attempt: int, reason: str) -> list[Send]:
        """Drop an attempt's shards, and send the reason to its readers."""
        entry = self._attempts.pop((run, attempt), None)
        if entry is None:
            return []
        sends: list[Send] = []
        for fetches in entry.waiting.values():
            for fetch in fetches.values():
                self._fetches.pop((fetch.reader, fetch.number), None)
                sends.append(
                    SendEnd(
                        reader=fetch.reader,
                        fetch=fetch.number,
                        block_count=0,
                        row_count=0,
                        lost=reason,
                    )
                )
        return sends

    def drop_run(self, run: str, reason: str) -> list[Send]:
        """Drop all attempts of a run."""
        attempts = self.attempts_of(run)
        return [send for attempt in attempts for send in self.lose(run, attempt, reason)]

    def attempts_of(self, run: str) -> list[int]:
        return [attempt for of_run, attempt in self._attempts if of_run == run]

    def fetch(
        self,
        reader: Reader,
        number: int,
        run: str,
        attempt: int,
        shard: int,
        *,
        first_block: int,
        credit_bytes: int,
        is_local: bool,
        secret: bytes,
    ) -> list[Send]:
        """Open a stream of a shard for a reader."""
        entry = self._attempts.get((run, attempt))
        if entry is None or not (entry.secret is None or entry.secret.matches(secret)):
            lost = f"attempt {attempt} of run {run[:ECHOED_CHARACTERS]} has no shards here"
            return [SendEnd(reader=reader, fetch=number, block_count=0, row_count=0, lost=lost)]
        if (reader, number) in self._fetches:
            return [
                SendEnd(
                    reader=reader,
                    fetch=number,
                    block_count=0,
                    row_count=0,
                    lost=f"fetch {number} is open already",
                )
            ]
        credit_bytes = min(max(0, credit_bytes), _MOST_CREDIT_BYTES)
        first_block = max(0, first_block)
        fetch = _OpenFetch(
            reader, number, (run, attempt), shard, is_local, credit_bytes, first_block
        )
        self._fetches[reader, number] = fetch
        entry.waiting.setdefault(shard, {})[reader, number] = fetch
        return self._serve_shard(entry, shard, only=fetch)

    def more_credit(self, reader: Reader, number: int, credit_bytes: int) -> list[Send]:
        """Add credit to a stream; with 0, only check that the stream is open."""
        fetch = self._fetches.get((reader, number))
        if fetch is None:  # an end that crosses another end is harmless
            return [
                SendEnd(
                    reader=reader,
                    fetch=number,
                    block_count=0,
                    row_count=0,
                    lost=f"fetch {number} is not open",
                )
            ]
        fetch.credit_bytes = min(fetch.credit_bytes + max(0, credit_bytes), _MOST_CREDIT_BYTES)
        return self._serve_shard(self._attempts[fetch.attempt], fetch.shard, only=fetch)

    def cancel(self, reader: Reader, number: int) -> None:
        """Close a stream at its reader's request."""
        fetch = self._fetches.pop((reader, number), None)
        if fetch is not None:
            self._forget(self._attempts[fetch.attempt], fetch)

    def reader_gone(self, reader: Reader) -> None:
        """Close all streams of a reader whose connection is closed."""
        for of_reader, number in [key for key in self._fetches if key[0] == reader]:
            self.cancel(of_reader, number)

    def _serve_shard(
        self, entry: _StoredAttempt, shard: int, only: _OpenFetch | None = None
    ) -> list[Send]:
        sends: list[Send] = []
        blocks = entry.blocks.get(shard, _NONE)
        waiting = entry.waiting.get(shard, {})
        for fetch in [only] if only is not None else list(waiting.values()):
            sends += (
                self._local(entry, fetch, blocks)
                if fetch.is_local
                else self._remote(entry, fetch, blocks)
            )
            if entry.is_sealed and fetch.next_block >= len(blocks):
                count, rows = len(blocks), blocks.row_count
                sends.append(
                    SendEnd(
                        reader=fetch.reader,
                        fetch=fetch.number,
                        block_count=count,
                        row_count=rows,
                        lost="",
                    )
                )
                del self._fetches[fetch.reader, fetch.number]
                self._forget(entry, fetch)
        return sends

    def _local(
        self, entry: _StoredAttempt, fetch: _OpenFetch, blocks: PackedBlocks
    ) -> Iterator[Send]:
        while fetch.next_block < len(blocks):
            found = blocks.between(fetch.next_block, fetch.next_block + _LOCATED_AT_ONCE)
            fetch.next_block += len(found)
            yield SendBlocks(
                reader=fetch.reader,
                fetch=fetch.number,
                path=entry.path,
                nonce=entry.nonce,
                blocks=found,
            )

    def _remote(
        self, entry: _StoredAttempt, fetch: _OpenFetch, blocks: PackedBlocks
    ) -> Iterator[Send]:
        while fetch.credit_bytes > 0 and fetch.next_block < len(blocks):
            block = blocks.at(fetch.next_block)
            left = block.length_bytes - fetch.position_bytes
            length = min(FRAME_BYTES, left, fetch.credit_bytes)
            yield SendFrame(
                reader=fetch.reader,
                fetch=fetch.number,
                path=entry.path,
                nonce=entry.nonce,
                block=block,
                position_bytes=fetch.position_bytes,
                length_bytes=length,
            )
            fetch.credit_bytes -= cost_of(length)
            fetch.position_bytes += length
            if length == left:
                fetch.next_block += 1
                fetch.position_bytes = 0

    def _forget(self, entry: _StoredAttempt, fetch: _OpenFetch) -> None:
        waiting = entry.waiting.get(fetch.shard, {})
        waiting.pop((fetch.reader, fetch.number), None)
        if not waiting:
            entry.waiting.pop(fetch.shard, None)
