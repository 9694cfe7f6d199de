"""The messages for one peer of a server, bounded in bytes; ZeroMQ bounds queues in messages.

ZeroMQ queues small frames up to the high-water mark. The bytes of larger frames are counted until
ZeroMQ releases a frame (`zmq.MessageTracker`). Further messages wait here, in order, for a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import zmq

from glowpy.wire.coding import Payload

_UNDERWAY_BYTES = 16 << 20  # of larger frames in ZeroMQ
_WAITING_BYTES = 8 << 20
_MOST_WAITING = 100_000  # messages
# as plain numbers: or-ing pyzmq's enums takes as long as sending
_AT_ONCE, _MORE_AT_ONCE = int(zmq.NOBLOCK), int(zmq.NOBLOCK) | int(zmq.SNDMORE)

Frames: TypeAlias = Sequence[Payload]
MakeFrames: TypeAlias = Callable[[], "Frames | None"]


class Outgoing:
    """The messages for one peer that reads slowly, or gets large frames."""

    def __init__(
        self, socket: zmq.Socket[bytes], peer: bytes, small_bytes: int, keeps_s: float, now: float
    ) -> None:
        self._socket = socket
        self._peer = peer
        self._small_bytes = small_bytes
        self._keeps_s = keeps_s
        self._moved_at = now  # time of the last message that ZeroMQ took, or of an empty queue
        self._underway: deque[tuple[zmq.MessageTracker, int]] = deque()
        self._underway_bytes = 0
        self._waiting: deque[tuple[Frames | MakeFrames, int]] = deque()
        self._waiting_bytes = 0
        self.is_gone = False  # unreachable, or without progress for `keeps_s`
        self.is_unreachable = False

    @property
    def is_idle(self) -> bool:
        self._settle()
        return not (self._waiting or self._underway)

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def send(self, frames: Frames | MakeFrames, now: float) -> bool:
        """Send, or keep for later. False: the peer is gone, or the queue is full.

        Args:
            frames: the frames, or a function that makes the frames once ZeroMQ has room; the
                function returns None to send nothing.
        """
        self.flush(now)
        if self.is_gone:
            return False
        self._waiting.append((frames, size := _size_of(frames)))
        self._waiting_bytes += size
        self.flush(now)
        if self.is_gone or not self._waiting:
            return not self.is_gone
        is_too_much = self._waiting_bytes > _WAITING_BYTES or len(self._waiting) > _MOST_WAITING
        if is_too_much or not self._keeps_s:
            self._waiting_bytes -= self._waiting.pop()[1]
            return False
        return True

    def flush(self, now: float) -> None:
        """Send the waiting messages for which ZeroMQ has room."""
        while self._waiting and self._has_room():
            source, size = self._waiting[0]
            frames = source() if callable(source) else source
            if frames is not None and not self._put(frames):
                self._waiting[0] = frames, _size_of(frames)
                self._waiting_bytes += _size_of(frames) - size
                break
            self._waiting.popleft()
            self._waiting_bytes -= size
            self._moved_at = now
        if not self._waiting:
            self._moved_at = now
        elif self.is_gone or now - self._moved_at > self._keeps_s > 0:
            self.is_gone = True
            self._waiting.clear()
            self._waiting_bytes = 0

    def _has_room(self) -> bool:
        """The next message fits into the bound for large frames, or is the only one."""
        self._settle()
        size = self._waiting[0][1]
        is_small = size <= self._small_bytes and not callable(self._waiting[0][0])
        return is_small or not self._underway or self._underway_bytes + size <= _UNDERWAY_BYTES

    def _put(self, frames: Frames) -> bool:
        """Hand a message to ZeroMQ; False: the queue is full, or the peer is gone."""
        try:
            self._socket.send(self._peer, _MORE_AT_ONCE)
        except zmq.ZMQError as exc:
            if exc.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            self.is_gone = self.is_unreachable = exc.errno == zmq.EHOSTUNREACH
            return False
        last = len(frames) - 1
        for number, data in enumerate(frames):
            flags = _AT_ONCE if number == last else _MORE_AT_ONCE
            if len(data) <= self._small_bytes:
                self._socket.send(data, flags)
                continue
            frame = zmq.Frame(data, track=True, copy=False, copy_threshold=0)
            tracker = self._socket.send(frame, flags, copy=False, track=True)
            assert isinstance(tracker, zmq.MessageTracker)
            self._underway.append((tracker, len(data)))
            self._underway_bytes += len(data)
        return True

    def _settle(self) -> None:
        while self._underway and self._underway[0][0].done:
            self._underway_bytes -= self._underway.popleft()[1]


def _size_of(frames: Frames | MakeFrames) -> int:
    return 0 if callable(frames) else sum(map(len, frames))
