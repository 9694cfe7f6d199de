"""Forwards the printed lines of a task to the driver while the task runs."""

from __future__ import annotations

import codecs
import io
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from glowpy.wire.run_messages import OutputStream

Send = Callable[[OutputStream, str], None]

_MOST_CHARACTERS = 200_000  # of one message, within 1 MiB of UTF-8; longer text is split


class LineForwarder(io.TextIOBase):
    """Replaces sys.stdout or sys.stderr while a task group runs.

    Lines from a thread of a task group are sent at once; lines from other threads are sent with the
    group's next line or at its end, because only the group's thread may use the connection. Task
    groups that take turns have a thread each.
    """

    def __init__(self, stream: OutputStream, send: Send) -> None:
        self._stream = stream
        self._send = send
        # threads of groups, only one of which runs at a time
        self._threads = {threading.get_ident()}
        # The methods of a deque are atomic. A lock would block a `__del__` or a signal handler that
        # prints while its own thread holds the lock.
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
        """Do nothing: complete lines have been sent, and an incomplete line waits for its end."""

    def admit_thread(self) -> None:
        """Register the current thread as the thread of a task group."""
        self._threads.add(threading.get_ident())

    def dismiss_thread(self) -> None:
        """Unregister the current thread after the end of its task group."""
        self._threads.discard(threading.get_ident())

    def finish(self) -> None:
        """Send the remaining text, with an incomplete line as a line."""
        text = self._take()
        if text:
            self._give(text if text.endswith("\n") else text + "\n")

    def _send_lines(self) -> None:
        if self._is_sending:
            return  # printed during this function itself: sent with the next line
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
        while self._parts:  # only threads of task groups call this
            parts.append(self._parts.popleft())
        return "".join(parts)

    def _give(self, text: str) -> None:
        for part in _pieces(text):
            try:
                self._send(self._stream, part)
            except UnicodeEncodeError:  # a lone surrogate
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
    """Yield the text in messages of limited length, split between lines where possible."""
    first = 0
    while len(text) - first > _MOST_CHARACTERS:
        last = first + _MOST_CHARACTERS
        cut = text.rfind("\n", first, last) + 1 or last
        yield text[first:cut]
        first = cut
    yield text[first:]


@contextmanager
def forwarded(send: Send) -> Iterator[tuple[LineForwarder, LineForwarder]]:
    """Send the output of `print` to the driver within this context."""
    out, err = LineForwarder(OutputStream.STDOUT, send), LineForwarder(OutputStream.STDERR, send)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        for stream in before:
            with suppress(AttributeError, OSError, ValueError):  # the stream is missing or closed
                stream.flush()  # user code may have stored the stream earlier
        sys.stdout, sys.stderr = before
        out.finish()
        err.finish()


class Forwarding:
    """Forwards the printed lines of a process's task groups, which may take turns."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._stack = ExitStack()
        self._streams: tuple[LineForwarder, ...] = ()
        self._group_count = 0

    @contextmanager
    def of_group(self) -> Iterator[None]:
        """Treat the current thread as the thread of a task group within this context."""
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
