"""The output lines of a child process, read by a thread."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from typing import IO


class OutputLines:
    """Reads a stream up to its end.

    Args:
        most_lines: the number of lines to keep; None: all.
    """

    def __init__(self, stream: IO[str], most_lines: int | None = None) -> None:
        self._stream = stream
        self._lines: deque[str] = deque(maxlen=most_lines)
        self._show: Callable[[str], None] | None = None
        self._news = threading.Condition()
        self._has_ended = False
        self._thread = threading.Thread(target=self._read, name="glowpy-output", daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The lines so far."""
        with self._news:
            return "".join(self._lines)

    def wait_for(self, pattern: str, timeout_s: float, number: int = 1) -> re.Match[str] | None:
        """The match with this number; None if the stream ends, or the time is over."""
        with self._news:
            self._news.wait_for(
                lambda: self._has_ended or len(self._matches(pattern)) >= number, timeout_s
            )
            matches = self._matches(pattern)
            return matches[number - 1] if len(matches) >= number else None

    def count(self, pattern: str) -> int:
        """The number of matches so far."""
        with self._news:
            return len(self._matches(pattern))

    def pass_on(self, show: Callable[[str], None]) -> None:
        """Call `show` with each kept and each later line; keep none."""
        with self._news:
            self._show = show
            for line in self._lines:
                show(line.rstrip("\n"))
            self._lines.clear()

    def finish(self, timeout_s: float) -> None:
        """Wait for the end of the stream and close it; a descendant may hold it open."""
        self._thread.join(timeout_s)
        if self.is_finished:
            self._stream.close()

    @property
    def is_finished(self) -> bool:
        """The stream was read up to its end."""
        return not self._thread.is_alive()

    def _matches(self, pattern: str) -> list[re.Match[str]]:
        return list(re.finditer(pattern, "".join(self._lines), re.M))

    def _read(self) -> None:
        for line in self._stream:
            with self._news:
                if self._show is not None:
                    self._show(line.rstrip("\n"))
                    continue
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()
