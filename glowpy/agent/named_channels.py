"""Named channels stored by an agent: received from `glowpy send`, served to readers.

A channel is one shard, in a file named by a number, never by the channel's name. Readers may follow
the channel during its transfer. The agent keeps a channel until its own end, or until another one
of that name arrives.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from glowpy.channel import CHANNEL_NAMES, is_channel_name
from glowpy.errors import OutputError, ProtocolError, ShardCorrupt
from glowpy.logger import get_logger
from glowpy.ranges import ECHOED_CHARACTERS
from glowpy.shards.lines import count_lines
from glowpy.shards.pull import Send, ShardIndex
from glowpy.shards.segment import SegmentWriter
from glowpy.timing import Timing
from glowpy.wire.channel_messages import (
    ChannelRows,
    ChannelState,
    EndChannel,
    OpenChannel,
    run_of,
)
from glowpy.wire.messages import NamedChannel

log = get_logger(__name__)

_MOST_CHANNELS = 1000

Answer = tuple[ChannelState, list[Send]]


class _Kept:
    """One stored channel."""

    row_count = 0
    size_bytes = 0
    is_whole = False

    def __init__(self, number: int, peer: bytes, path: str, nonce: bytes, now: float) -> None:
        self.number = number
        self.peer = peer  # the sender
        self.path = path
        self.writer = SegmentWriter(path, nonce)
        self.heard_at = now


class NamedChannels:
    """All channels of an agent.

    Args:
        directory: for their files.
        changed: called after a change that the master should learn of.
        deleted: called with the path of a deleted file, so that open descriptors can be closed.
    """

    def __init__(
        self,
        directory: str,
        index: ShardIndex,
        timing: Timing,
        make_nonce: Callable[[], bytes],
        changed: Callable[[], None],
        deleted: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._index = index
        self._timing = timing
        self._make_nonce = make_nonce
        self._changed = changed
        self._deleted = deleted
        self._kept: dict[str, _Kept] = {}

    def names(self) -> tuple[NamedChannel, ...]:
        """Return the channels, for the master."""
        return tuple(NamedChannel(name, kept.number) for name, kept in self._kept.items())

    def receive(self, peer: bytes, message: Any, payload: bytes, now: float) -> Answer | None:
        """Handle a sender's message; return the answer and messages for readers, or None."""
        if isinstance(message, OpenChannel):
            return self._open(peer, message.channel, now)
        if isinstance(message, (ChannelRows, EndChannel)):
            return self._go_on(peer, message, payload, now)
        return None

    def tick(self, now: float) -> list[Send]:
        """Give up silent senders."""
        silent = [
            name
            for name, kept in self._kept.items()
            if not kept.is_whole and now - kept.heard_at >= self._timing.peer_lost_s
        ]
        for name in silent:
            log.warning("channel %s: its sender is gone before the end", name)
        return [send for name in silent for send in self._drop(name, "its sender was lost")]

    def close(self) -> None:
        for kept in self._kept.values():
            kept.writer.close()

    def _open(self, peer: bytes, name: str, now: float) -> Answer:
        before = self._kept.get(name)
        if not is_channel_name(name):
            return self._refused(name, f"a channel's name has {CHANNEL_NAMES}")
        if before is not None and not before.is_whole:
            return self._refused(name, "somebody else is sending to it")
        if before is None and len(self._kept) >= _MOST_CHANNELS:
            return self._refused(name, f"this agent keeps {_MOST_CHANNELS} channels already")
        sends = [] if before is None else self._drop(name, "another was sent under its name")
        # a global order: of several channels of a name, the latest is found
        number = time.time_ns() // 1000
        nonce = self._make_nonce()
        path = os.path.join(self._directory, f"{number}.seg")
        self._kept[name] = _Kept(number, peer, path, nonce, now)
        # readable by any member of the cluster
        self._index.open(run_of(name), number, path, nonce, None)
        log.info("channel %s begins", name)
        self._changed()
        return ChannelState(channel=name, row_count=0, is_whole=False, refusal=""), sends

    def _go_on(
        self, peer: bytes, message: ChannelRows | EndChannel, payload: bytes, now: float
    ) -> Answer:
        name = message.channel
        kept = self._kept.get(name)
        if kept is None or kept.peer != peer or kept.is_whole:
            return self._refused(name, "the agent does not take it from this sender any more")
        kept.heard_at = now
        if isinstance(message, EndChannel):
            kept.is_whole = True
            kept.writer.close()
            log.info("channel %s is whole: %d rows", name, kept.row_count)
            sends = self._index.seal(run_of(name), kept.number)
            return ChannelState(
                channel=name, row_count=kept.row_count, is_whole=True, refusal=""
            ), sends
        sends = []
        if payload:
            try:
                sends = self._append(name, kept, message.row_count, payload)
            except (OutputError, ProtocolError, ShardCorrupt) as exc:
                return self._refused(name, str(exc), self._drop(name, str(exc)))
        return ChannelState(
            channel=name, row_count=kept.row_count, is_whole=False, refusal=""
        ), sends

    def _append(self, name: str, kept: _Kept, row_count: int, payload: bytes) -> list[Send]:
        most_bytes = self._timing.named_channels_mb << 20
        line_count = count_lines(payload)
        if row_count != line_count:
            raise ProtocolError(f"a block of {line_count} lines was sent as {row_count} rows")
        if sum(each.size_bytes for each in self._kept.values()) + len(payload) > most_bytes:
            raise OutputError(f"this agent keeps {most_bytes >> 20} MB of channels at most")
        block = kept.writer.append(0, payload, row_count)
        kept.writer.flush()
        kept.row_count += row_count
        kept.size_bytes += len(payload)
        return self._index.commit(run_of(name), kept.number, [block])

    def _refused(self, name: str, reason: str, sends: list[Send] | None = None) -> Answer:
        return ChannelState(
            channel=name[:ECHOED_CHARACTERS], row_count=0, is_whole=False, refusal=reason
        ), sends or []

    def _drop(self, name: str, reason: str) -> list[Send]:
        kept = self._kept.pop(name)
        kept.writer.close()
        if os.path.exists(kept.path):
            os.unlink(kept.path)
        self._deleted(kept.path)
        self._changed()
        return self._index.lose(run_of(name), kept.number, f"channel {name}: {reason}")
