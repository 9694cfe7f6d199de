"""Messages that move bytes: shards from their owner to a reader, program files to an agent."""

from __future__ import annotations

from glowpy.ranges import Count, Name, OptionalSize, Size
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.shards.segment import Block

# --- data plane -----------------------------------------------------------------------------


class Fetch(NamedTuple):
    """Send me a shard from this block on, at most `credit_bytes` before I ask for more.

    A reader on the owner's host gets locations instead of bytes and reads the file itself.
    """

    fetch: Size  # the reader's number for this stream
    run: Name
    attempt: Size
    shard: Count
    first_block: Size
    credit_bytes: Size
    reader_host: Name
    secret: Secret  # of the run; empty for channels that have a name


class MoreCredit(NamedTuple):
    """The reader has taken this much and may be sent as much again."""

    fetch: Size
    credit_bytes: Size


class CancelFetch(NamedTuple):
    """The reader wants nothing more of this stream."""

    fetch: Size


class BlockFrame(NamedTuple):
    """To a reader elsewhere: one frame of a block, its bytes in the payload."""

    fetch: Size
    block: Block
    position_bytes: Size  # of this frame within the block


class FetchEnd(NamedTuple):
    """The stream ends: whole after `block_count` blocks and `row_count` rows, or lost."""

    fetch: Size
    block_count: Size
    row_count: Size
    lost: str  # empty: the shard is whole


class Blocks(NamedTuple):
    """To a reader on the same host: committed blocks, to be read from the segment file."""

    fetch: Size
    path: str
    nonce: bytes
    blocks: tuple[Block, ...]
    end: FetchEnd | None = None  # where it follows at once


# --- program --------------------------------------------------------------------------------


class FetchFile(NamedTuple):
    """Send me a program file from this offset on."""

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
