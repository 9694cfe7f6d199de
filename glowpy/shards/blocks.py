"""Packed blocks of one shard: a channel that is open for days makes a block for each row."""

from __future__ import annotations

import struct

from glowpy.shards.segment import Block

_BLOCK = struct.Struct("<QQII")  # offset, length, rows, crc32
_BEYOND = _BLOCK.pack((1 << 64) - 1, 1, 0, 0)


class PackedBlocks:
    """A list of blocks that only grows."""

    __slots__ = ("_packed", "_shard", "row_count")

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._packed = bytearray()
        self.row_count = 0

    def __len__(self) -> int:
        return len(self._packed) // _BLOCK.size

    def append(self, block: Block) -> None:
        """Append a block; impossible values become a block beyond the end of every file."""
        _shard, offset_bytes, length_bytes, row_count, crc32 = block
        try:
            self._packed += _BLOCK.pack(offset_bytes, length_bytes, row_count, crc32)
            self.row_count += row_count
        except struct.error:
            self._packed += _BEYOND

    def at(self, place: int) -> Block:
        """Return the block at a position, from 0."""
        offset_bytes, length_bytes, row_count, crc32 = _BLOCK.unpack_from(
            self._packed, place * _BLOCK.size
        )
        return Block(
            shard=self._shard,
            offset_bytes=offset_bytes,
            length_bytes=length_bytes,
            row_count=row_count,
            crc32=crc32,
        )

    def between(self, first: int, last: int) -> tuple[Block, ...]:
        """Return the existing blocks from position `first` to before `last`."""
        return tuple(self.at(place) for place in range(first, min(last, len(self))))
