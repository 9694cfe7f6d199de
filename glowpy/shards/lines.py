"""A batch of lines as bytes, and back: the blocks of named channels.

    line  UTF-8; other bytes become lone surrogates of the row
    "\\n"  after each line, the last one included

Any member of a cluster may write a named channel, so its readers decode only text.
"""

from __future__ import annotations

from collections.abc import Sequence

from glowpy.errors import ShardCorrupt

MOST_LINES = 1 << 20  # of a block
MOST_BYTES = 32 << 20


def encode_lines(lines: Sequence[bytes]) -> bytes:
    """Return the bytes of lines, none of which contains a newline."""
    return b"".join([line + b"\n" for line in lines])


def count_lines(block: bytes) -> int:
    """Return the number of lines of a block.

    Raises:
        ShardCorrupt: the block is too large, or does not end with a line.
    """
    if len(block) > MOST_BYTES:
        raise ShardCorrupt(f"a block of lines has {len(block)} bytes, more than {MOST_BYTES}")
    count = block.count(b"\n")
    if not block.endswith(b"\n") or count > MOST_LINES:
        raise ShardCorrupt(f"a block is no text of 1 to {MOST_LINES} complete lines")
    return count


def decode_lines(block: bytes) -> list[str]:
    """Return the lines of a block.

    Raises:
        ShardCorrupt: the block is too large, or does not end with a line.
    """
    count_lines(block)
    return block.decode("utf-8", "surrogateescape").split("\n")[:-1]
