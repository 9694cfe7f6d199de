"""The segment file: all shards of one attempt of a task group, in one file.

    offset 0    magic         8 bytes  b"GLOWSEG1"
           8    nonce        16 bytes  proves to readers that the file is the owner's
          24    block, block, ...

    block  +0   shard         u32 LE
           +4   rows          u32 LE
           +8   length        u64 LE   of the payload
          +16   crc32         u32 LE   of the payload
          +20   payload       `length` bytes, opaque here

The file describes itself; the owner holds the index for readers, block by block.
"""

from __future__ import annotations

import os
import stat
import struct
from types import TracebackType
from zlib import crc32

from glowpy.errors import OutputError, ShardCorrupt, ShardLost, ShardOfOtherUser
from glowpy.ranges import Size, Unsigned32
from glowpy.record import NamedTuple

MAGIC = b"GLOWSEG1"
NONCE_BYTES = 16
MOST_ROWS = (1 << 32) - 1  # of a block
_HEADER_BYTES = len(MAGIC) + NONCE_BYTES
_BLOCK_HEADER = struct.Struct("<IIQI")


class Block(NamedTuple):
    """One block of a shard: place in the segment file, size and checksum."""

    shard: Unsigned32
    offset_bytes: Size
    length_bytes: Size
    row_count: Unsigned32
    crc32: Unsigned32


class SegmentWriter:
    """Appends blocks to a segment file, created at the first block. A context manager.

    Readers may be sent a block after `flush()` has returned.

    Raises:
        OutputError: the file cannot be written; names the path and the system's reason.
    """

    def __init__(self, path: str, nonce: bytes) -> None:
        self.path = path
        self._nonce = nonce
        self._descriptor = -1
        self._end_bytes = 0
        self._pending: list[bytes | memoryview] = []
        self._pending_bytes = 0

    def append(self, shard: int, payload: bytes, row_count: int) -> Block:
        """Add one block, readable after the next `flush`."""
        if self._descriptor < 0:
            self._create()
        block = Block(
            shard=shard,
            offset_bytes=self._end_bytes + self._pending_bytes + _BLOCK_HEADER.size,
            length_bytes=len(payload),
            row_count=row_count,
            crc32=crc32(payload),
        )
        self._pending += (
            _BLOCK_HEADER.pack(shard, row_count, len(payload), block.crc32),
            payload,
        )
        self._pending_bytes += _BLOCK_HEADER.size + len(payload)
        if self._pending_bytes >= 1 << 20 or len(self._pending) >= 512:
            self.flush()
        return block

    def flush(self) -> None:
        """Write every appended block to the file, so that other processes can read it."""
        if not self._pending:
            return
        try:
            buffers = [memoryview(part) for part in self._pending if len(part)]
            while buffers:
                written = os.writev(self._descriptor, buffers[:512])
                while buffers and written >= len(buffers[0]):
                    written -= len(buffers.pop(0))
                if written:
                    buffers[0] = buffers[0][written:]
        except OSError as exc:
            raise OutputError(f"cannot write shard data to {self.path}: {exc.strerror}") from exc
        self._end_bytes += self._pending_bytes
        self._pending.clear()
        self._pending_bytes = 0

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _create(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self.path, flags, 0o600)
        except OSError as exc:
            raise OutputError(f"cannot create {self.path}: {exc.strerror}") from exc
        self._pending = [MAGIC + self._nonce]
        self._pending_bytes = _HEADER_BYTES


class SegmentReader:
    """Reads blocks of a segment file on this host, after checking the owner's nonce.

    Raises:
        ShardOfOtherUser: the file belongs to another user.
        ShardLost: the file is missing, or has another nonce.
        ShardCorrupt: a block's bytes differ from the written bytes.
    """

    def __init__(self, path: str, nonce: bytes) -> None:
        self.path = path
        # opening a pipe would block
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._descriptor = os.open(path, flags)
        except (OSError, ValueError) as exc:  # ValueError: a null byte in a stranger's message
            reason = exc.strerror if isinstance(exc, OSError) else exc
            error = ShardOfOtherUser if isinstance(exc, PermissionError) else ShardLost
            raise error(f"segment file {path} cannot be opened: {reason}") from exc
        try:
            self._check(nonce)
        except BaseException:
            self.close()
            raise

    def _check(self, nonce: bytes) -> None:
        status = os.fstat(self._descriptor)
        is_file = stat.S_ISREG(status.st_mode)
        if not is_file or status.st_uid != os.geteuid():
            error = ShardOfOtherUser if is_file else ShardLost
            raise error(f"segment file {self.path} does not belong to this user")
        try:
            header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        except OSError as exc:
            raise ShardLost(f"segment file {self.path} cannot be read: {exc.strerror}") from exc
        if header != MAGIC + nonce:
            raise ShardLost(f"segment file {self.path} is not the one its owner wrote")

    def read(self, block: Block) -> bytes:
        """Return the payload of one block, after comparing its checksum."""
        payload = self.read_part(block, 0, block.length_bytes)
        check_block(block, payload, self.path)
        return payload

    def read_part(self, block: Block, position_bytes: int, length_bytes: int) -> bytes:
        """Return some bytes of a block, unchecked, for a frame to another host."""
        parts = []
        offset = block.offset_bytes + position_bytes
        try:
            end = os.fstat(self._descriptor).st_size
            if not 0 <= offset <= offset + length_bytes <= end:
                raise ShardCorrupt(f"segment file {self.path} ends inside a block")
            while length_bytes:
                part = os.pread(self._descriptor, length_bytes, offset)
                if not part:
                    raise ShardCorrupt(f"segment file {self.path} ends inside a block")
                parts.append(part)
                offset += len(part)
                length_bytes -= len(part)
        except OSError as exc:
            raise ShardLost(f"segment file {self.path} cannot be read: {exc.strerror}") from exc
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def check_block(block: Block, payload: bytes | bytearray, source: str) -> None:
    """Compare a block's payload with its checksum.

    Raises:
        ShardCorrupt: the two differ; names the source and the block's place.
    """
    if len(payload) != block.length_bytes or crc32(payload) != block.crc32:
        raise ShardCorrupt(
            f"checksum of block at byte {block.offset_bytes} (shard {block.shard}) of {source} "
            "does not match: the data was damaged on its way or at rest"
        )
