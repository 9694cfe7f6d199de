"""Transcripts of an owner of shards: its input events and the messages that it sends.

`>` is an event, the lines below it the messages of the owner. `a1` is an attempt, `a1.0` its shard
0, `r#7` the stream that reader r calls 7. Blocks are named by their length; each has two rows.
"""

from __future__ import annotations

from textwrap import dedent

from glowpy.secret import Secret
from glowpy.shards.pull import Send, SendBlocks, SendFrame, ShardIndex
from glowpy.shards.segment import Block

RUN, NONCE, SECRET = "run", b"n" * 16, Secret(b"s" * 16)
SECRETS = {"right": bytes(SECRET), "another": b"t" * 16, "none": b""}


def transcript(script: str) -> None:
    """Play the events of a script and compare the sent messages with it."""
    index = ShardIndex()
    said = []
    expected = dedent(script).strip("\n").rstrip()
    for line in expected.splitlines():
        if line.startswith(">"):
            said.append(line)
            said += ["  " + words(send) for send in apply_event(index, line[1:].split())]
    assert "\n".join(said) == expected


def apply_event(index: ShardIndex, line: list[str]) -> list[Send]:
    match line:
        case [attempt, "begins"]:
            index.open(RUN, number_of(attempt), f"/{attempt}", NONCE, SECRET)
            return []
        case [attempt, "writes", *blocks]:
            return index.commit(RUN, number_of(attempt), [block_of(each) for each in blocks])
        case [attempt, "is", "whole"]:
            return index.seal(RUN, number_of(attempt))
        case [attempt, "is", "lost:", *why]:
            return index.lose(RUN, number_of(attempt), " ".join(why))
        case ["the", "run", "is", "over"]:
            return index.drop_run(RUN, "over")
        case [stream, "wants", shard, *rest]:
            reader, number = stream.split("#")
            attempt, shard_number = shard.split(".")
            options = dict(zip(rest[::2], rest[1::2], strict=True))
            return index.fetch(
                reader,
                int(number),
                RUN,
                number_of(attempt),
                int(shard_number),
                first_block=int(options.get("from", "0")),
                credit_bytes=int(options.get("credit", "0")),
                is_local="credit" not in options,
                secret=SECRETS[options.get("secret", "right")],
            )
        case [stream, "takes", count]:
            return index.more_credit(stream[0], int(stream[2:]), int(count))
        case [stream, "has", "enough"]:
            index.cancel(stream[0], int(stream[2:]))
            return []
        case [reader, "is", "gone"]:
            index.reader_gone(reader)
            return []
    raise AssertionError(line)


def number_of(attempt: str) -> int:
    return int(attempt[1:])


def block_of(text: str) -> Block:
    shard, length = text.split(":")
    return Block(int(shard), 1000, int(length), 2, 0)


def words(send: Send) -> str:
    stream = f"{send.reader}#{send.fetch}"
    if isinstance(send, SendBlocks):
        lengths = " ".join(str(block.length_bytes) for block in send.blocks)
        assert send.nonce == NONCE
        return f"{stream}: in {send.path} lie {lengths}"
    if isinstance(send, SendFrame):
        of = send.block.length_bytes
        return f"{stream}: {send.length_bytes} bytes of {of} from {send.position_bytes}"
    if send.lost:
        assert (send.block_count, send.row_count) == (0, 0)
        return f"{stream}: lost, {send.lost}"
    return f"{stream}: end of {send.block_count} blocks, {send.row_count} rows"
