"""Serves shards over a socket: performs the actions of the shard index by reading segment files."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from glowpy.errors import ShardError
from glowpy.shards.pull import Send, SendBlocks, SendEnd, SendFrame, ShardIndex
from glowpy.shards.segment import SegmentReader
from glowpy.wire.transfers import BlockFrame, Blocks, CancelFetch, Fetch, FetchEnd, MoreCredit
from glowpy.wire.transport import Server

_OPEN_FILES = 64
_MOST_BROKEN = 10_000  # remembered streams


class Served:
    """Bytes sent through the socket; readers on the same host open the files themselves."""

    frames = 0
    size_bytes = 0


class ShardServer:
    """Answers Fetch, MoreCredit and CancelFetch on a server socket."""

    def __init__(self, index: ShardIndex, server: Server, host: str) -> None:
        self._index = index
        self._server = server
        self._host = host
        self._readers: OrderedDict[str, SegmentReader] = OrderedDict()
        self._broken: set[tuple[Any, int]] = set()
        self._served: dict[str, Served] = {}  # by directory of segment files

    def receive(self, peer: bytes, message: Any) -> bool:
        """Handle a reader's message; False for other messages."""
        if isinstance(message, Fetch):
            self.carry_out(
                self._index.fetch(
                    peer,
                    message.fetch,
                    message.run,
                    message.attempt,
                    message.shard,
                    first_block=message.first_block,
                    credit_bytes=message.credit_bytes,
                    is_local=message.reader_host == self._host,
                    secret=message.secret,
                )
            )
        elif isinstance(message, MoreCredit):
            self.carry_out(self._index.more_credit(peer, message.fetch, message.credit_bytes))
        elif isinstance(message, CancelFetch):
            self._index.cancel(peer, message.fetch)
        else:
            return False
        return True

    def carry_out(self, sends: Iterable[Send]) -> None:
        """Send blocks, frames and ends; forget readers that are gone."""
        gone: set[Any] = set()
        for send, end in _with_ends(sends):
            if send.reader not in gone and not self._send(send, end):
                gone.add(send.reader)
                self._index.reader_gone(send.reader)

    def forget(self, directory: str) -> Served:
        """Close the files in a directory before its deletion; return the amount sent from it."""
        for path in [path for path in self._readers if os.path.dirname(path) == directory]:
            self.let_go(path)
        return self._served.pop(directory, Served())

    def let_go(self, path: str) -> None:
        """Close a deleted file, so that the disk gets its space back."""
        reader = self._readers.pop(path, None)
        if reader is not None:
            reader.close()

    def close(self) -> None:
        while self._readers:
            self._readers.popitem()[1].close()

    def _send(self, send: Send, end: SendEnd | None = None) -> bool:
        peer: Any = send.reader
        if isinstance(send, SendBlocks):
            message: Any = Blocks(
                fetch=send.fetch,
                path=send.path,
                nonce=send.nonce,
                blocks=send.blocks,
                end=end and _message_of(end),
            )
            return self._server.send(peer, message)
        if isinstance(send, SendFrame):
            return self._server.send_made(peer, partial(self._frame, send))
        if self._server.is_behind(peer):  # frames of the stream wait, and may prove unreadable
            return self._server.send_made(peer, partial(self._end, send))
        made = self._end(send)
        return made is None or self._server.send(peer, made[0])

    def _end(self, send: SendEnd) -> tuple[FetchEnd, None] | None:
        return None if (send.reader, send.fetch) in self._broken else (_message_of(send), None)

    def _frame(self, send: SendFrame) -> tuple[Any, bytes | None] | None:
        """Return the frame, read at the time of sending, or the end of a failed stream."""
        stream = send.reader, send.fetch
        if stream in self._broken:
            return None
        try:
            data = self._reader(send).read_part(send.block, send.position_bytes, send.length_bytes)
        except ShardError as exc:
            self._break(stream)
            self._index.cancel(*stream)
            return FetchEnd(fetch=send.fetch, block_count=0, row_count=0, lost=str(exc)), None
        served = self._served.setdefault(os.path.dirname(send.path), Served())
        served.frames += 1
        served.size_bytes += len(data)
        return BlockFrame(send.fetch, send.block, send.position_bytes), data

    def _break(self, stream: tuple[Any, int]) -> None:
        """Send no more of a stream: a reader rejects frames after the end."""
        if len(self._broken) >= _MOST_BROKEN:
            self._broken.clear()
        self._broken.add(stream)

    def _reader(self, send: SendFrame) -> SegmentReader:
        reader = self._readers.pop(send.path, None)
        if reader is None:
            reader = SegmentReader(send.path, send.nonce)
            if len(self._readers) >= _OPEN_FILES:
                self._readers.popitem(last=False)[1].close()
        self._readers[send.path] = reader
        return reader


def _message_of(end: SendEnd) -> FetchEnd:
    return FetchEnd(
        fetch=end.fetch, block_count=end.block_count, row_count=end.row_count, lost=end.lost
    )


def _with_ends(sends: Iterable[Send]) -> Iterator[tuple[Send, SendEnd | None]]:
    """Yield each message, with the end of a block stream attached to its last blocks."""
    waiting: SendBlocks | None = None
    for send in sends:
        if waiting is not None:
            if isinstance(send, SendEnd) and (send.reader, send.fetch) == waiting[:2]:
                yield waiting, send
                waiting = None
                continue
            yield waiting, None
            waiting = None
        if isinstance(send, SendBlocks):
            waiting = send
        else:
            yield send, None
    if waiting is not None:
        yield waiting, None
