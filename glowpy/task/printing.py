"""What a task prints, on its way to the driver: whole lines, as they happen."""

from __future__ import annotations

import codecs
import io
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from glowpy.wire.run_messages import Stream

Send = Callable[[Stream, str], None]

_MOST_CHARACTERS = 1 << 20  # of one message; longer text leaves in several


class LineForwarder(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr while a task group runs.

    Lines written by the thread that runs a task group leave at once; those of other threads leave
    with its next line or at the end of the group, because the connection is that thread's alone.
    Several groups that take turns have a thread each.
    """

    def __init__(self, stream: Stream, send: Send) -> None:
        self._stream = stream
        self._send = send
        self._threads = {threading.get_ident()}  # of groups: one of them runs at any time
        # Its methods are atomic. A lock would catch a `__del__` or a signal handler that prints
        # while its own thread holds it.
        self._parts: deque[str] = deque()
        self._is_sending = False
        self.buffer = _Utf8(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._parts.append(text)
        if "\n" in text and threading.get_ident() in self._threads:
            self._send_lines()
        return len(text)

    def flush(self) -> None:
        """Whole lines have left already; the beginning of one waits for its end."""

    def admit_thread(self) -> None:
        """This thread runs a task group, too."""
        self._threads.add(threading.get_ident())

    def dismiss_thread(self) -> None:
        """This thread's group has ended."""
        self._threads.discard(threading.get_ident())

    def finish(self) -> None:
        """Send everything, the beginning of a line as a line of its own."""
        text = self._take()
        if text:
            self._give(text if text.endswith("\n") else text + "\n")

    def _send_lines(self) -> None:
        if self._is_sending:
            return  # printed in the midst of this very function: leaves with the next line
        self._is_sending = True
        try:
            text = self._take()
            cut = text.rfind("\n") + 1
            if cut < len(text):
                self._parts.appendleft(text[cut:])
            if cut:
                self._give(text[:cut])
        finally:
            self._is_sending = False

    def _take(self) -> str:
        parts = []
        while self._parts:  # only the main thread takes
            parts.append(self._parts.popleft())
        return "".join(parts)

    def _give(self, text: str) -> None:
        for part in _pieces(text):
            try:
                self._send(self._stream, part)
            except UnicodeEncodeError:  # half a surrogate pair
                self._send(self._stream, part.encode("utf-8", "backslashreplace").decode())


class _Utf8(io.RawIOBase):
    """`sys.stdout.buffer` of a task: the bytes of UTF-8 text."""

    def __init__(self, text: LineForwarder) -> None:
        self._text = text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        data = bytes(data)
        self._text.write(self._decoder.decode(data))
        return len(data)


def _pieces(text: str) -> Iterator[str]:
    """The text in messages that are not too long, cut between lines where that is possible."""
    first = 0
    while len(text) - first > _MOST_CHARACTERS:
        last = first + _MOST_CHARACTERS
        cut = text.rfind("\n", first, last) + 1 or last
        yield text[first:cut]
        first = cut
    yield text[first:]


@contextmanager
def forwarded(send: Send) -> Iterator[tuple[LineForwarder, LineForwarder]]:
    """Within: `print` goes to the driver."""
    out, err = LineForwarder(Stream.STDOUT, send), LineForwarder(Stream.STDERR, send)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        for stream in before:
            with suppress(AttributeError, OSError, ValueError):  # there is none, or it is closed
                stream.flush()  # somebody may have kept it from before
        sys.stdout, sys.stderr = before
        out.finish()
        err.finish()


class Forwarding:
    """Forwards what the task groups of a process print, several of which may take turns."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._stack = ExitStack()
        self._streams: tuple[LineForwarder, ...] = ()
        self._group_count = 0

    @contextmanager
    def of_group(self) -> Iterator[None]:
        """Within: this thread runs a task group."""
        if not self._group_count:
            self._streams = self._stack.enter_context(forwarded(self._send))
        self._group_count += 1
        for stream in self._streams:
            stream.admit_thread()
        try:
            yield
        finally:
            self._group_count -= 1
            if self._group_count:
                for stream in self._streams:
                    stream.finish()
                    stream.dismiss_thread()
            else:
                self._stack.close()
