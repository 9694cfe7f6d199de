"""Messages that move bytes: shards from their owner to a reader, program files to an agent."""

from __future__ import annotations

from glowpy.ranges import Count, Name, OptionalSize, Size
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.shards.segment import Block

# --- data plane -----------------------------------------------------------------------------


class Fetch(NamedTuple):
    """Ask for a shard, from a block on, up to `credit_bytes` ahead of the reader.

    A reader on the owner's host gets locations instead of bytes, and reads the file itself.
    """

    fetch: Size  # the reader's number for this stream
    run: Name
    attempt: Size
    shard: Count
    first_block: Size
    credit_bytes: Size
    reader_host: Name
    secret: Secret  # of the run; empty for named channels


class MoreCredit(NamedTuple):
    """Extend the credit of a stream: the reader has consumed as many bytes."""

    fetch: Size
    credit_bytes: Size


class CancelFetch(NamedTuple):
    """End a stream early."""

    fetch: Size


class BlockFrame(NamedTuple):
    """One frame of a block, for a reader on another host; its bytes are the payload."""

    fetch: Size
    block: Block
    position_bytes: Size  # of this frame within the block


class FetchEnd(NamedTuple):
    """The end of a stream: complete after `block_count` blocks and `row_count` rows, or lost."""

    fetch: Size
    block_count: Size
    row_count: Size
    lost: str  # empty: the shard is complete


class Blocks(NamedTuple):
    """Committed blocks for a reader on the same host, to be read from the segment file."""

    fetch: Size
    path: str
    nonce: bytes
    blocks: tuple[Block, ...]
    end: FetchEnd | None = None  # the end, if it follows immediately


# --- program --------------------------------------------------------------------------------


class FetchFile(NamedTuple):
    """Ask for a program file, from an offset on."""

    run: Name
    sha256: Name
    offset_bytes: Size
    secret: Secret  # of the run


class FileFrame(NamedTuple):
    """One frame of a program file, its bytes in the payload. Size -1: no such file."""

    run: Name
    sha256: Name
    offset_bytes: Size
    size_bytes: OptionalSize


TRANSFERS: tuple[type, ...] = (
    Fetch,
    MoreCredit,
    CancelFetch,
    Blocks,
    BlockFrame,
    FetchEnd,
    FetchFile,
    FileFrame,
)
