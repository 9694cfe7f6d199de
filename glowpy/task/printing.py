"""What a task prints, on its way to the driver: whole lines, as they happen."""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from glowpy.wire.run_messages import Stream

Send = Callable[[Stream, str], None]


class LineForwarder(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr while a task group runs.

    Lines written by the main thread leave at once; those of other threads leave with the next
    line of the main thread or at the end of the group, because the connection is the main
    thread's alone.
    """

    def __init__(self, stream: Stream, send: Send) -> None:
        self._stream = stream
        self._send = send
        self._main = threading.get_ident()
        self._parts: deque[str] = deque()
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            self._parts.append(text)
        if "\n" in text and threading.get_ident() == self._main:
            self._send_lines()
        return len(text)

    def flush(self) -> None:
        """Whole lines have left already; the beginning of one waits for its end."""

    def finish(self) -> None:
        """Send everything, the beginning of a line as a line of its own."""
        with self._lock:
            text = "".join(self._parts)
            self._parts.clear()
        if text:
            self._send(self._stream, text if text.endswith("\n") else text + "\n")

    def _send_lines(self) -> None:
        with self._lock:
            text = "".join(self._parts)
            self._parts.clear()
            cut = text.rfind("\n") + 1
            if cut < len(text):
                self._parts.append(text[cut:])
        if cut:
            self._send(self._stream, text[:cut])


@contextmanager
def forwarded(send: Send) -> Iterator[None]:
    """Within: `print` goes to the driver."""
    out, err = LineForwarder(Stream.STDOUT, send), LineForwarder(Stream.STDERR, send)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        out.finish()
        err.finish()
