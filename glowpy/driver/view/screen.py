"""Lines below the printed output of a terminal, updated in place.

The cursor stays at the end of the last output, with the lines below: output that bypasses this
module lands in its place and survives a redraw. Output through sys.stdout and sys.stderr first
erases the lines; the next `draw` restores them.

    make room     ESC D for each line and the blank one above; then up by the same number
    draw          ESC 7, the lines, ESC 8: save and restore the cursor
    erase         ESC [ J: clear everything below the cursor
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

from glowpy.driver.view.report import is_screen

_DOWN, _SAVE, _RESTORE = "\x1bD", "\x1b7", "\x1b8"
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"
_LEAST_WIDTH, _LEAST_HEIGHT = 20, 4


_taken = threading.Lock()


def take_terminal() -> bool:
    """Claim the terminal for one screen at a time; True if the caller may create a screen."""
    return _taken.acquire(blocking=False)


class Screen:
    """Draws on a claimed terminal. A context manager: leaving erases the lines.

    Within, sys.stdout and sys.stderr are replaced, where connected to a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # Reentrant: user threads print, and a signal handler may print within the main thread's
        # draw.
        self._lock = threading.RLock()
        self._shown: tuple[Sequence[str], tuple[int, int]] | None = None
        self._replaced: list[tuple[str, TextIO, _Above]] = []

    def __enter__(self) -> Screen:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if is_screen(stream):
                above = _Above(self, stream)
                setattr(sys, name, above)
                self._replaced.append((name, stream, above))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, stream, above in self._replaced:
            if getattr(sys, name) is above:  # otherwise the user has replaced the stream meanwhile
                setattr(sys, name, stream)
            above.finish()
        self.erase()
        _taken.release()

    @property
    def is_covered(self) -> bool:
        """True if output was printed after the last draw."""
        return self._shown is None

    def size(self) -> tuple[int, int] | None:
        """Return the columns and the lines available; None: nothing can be shown now."""
        try:
            descriptor = self._stream.fileno()
            size = os.get_terminal_size(descriptor)
            with suppress(OSError):  # not the controlling terminal
                if os.tcgetpgrp(descriptor) != os.getpgrp():
                    return None  # in the background: another job uses the terminal
        except (OSError, ValueError, AttributeError):
            return None
        if size.columns < _LEAST_WIDTH or size.lines < _LEAST_HEIGHT:
            return None
        return size.columns, size.lines - 2

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, none wider than the terminal."""
        size = self.size()
        if size is None:
            self.erase()
            return
        with self._lock:
            if self._shown == (lines, size) or not self._takes_more():
                return
            count = len(lines)
            room = f"{_DOWN * (count + 1)}\x1b[{count + 1}A"
            body = "".join(f"\r\n{line}{_CLEAR_LINE}" for line in lines)
            # The rest of the cursor's own line, and the blank one
            self._write(
                f"{room}{_SAVE}{_CLEAR_LINE}\r\n{_CLEAR_LINE}{body}{_CLEAR_BELOW}{_RESTORE}"
            )
            self._shown = lines, size

    def erase(self) -> None:
        """Erase the lines."""
        with self._lock:
            if self._shown is not None:
                self._shown = None
                if self._takes_more():
                    self._write(_CLEAR_BELOW)

    def leave(self, text: str) -> None:
        """Take the lines away and put one in their place, if the terminal takes it now."""
        with self._lock:
            self.erase()
            if self._takes_more():
                self._write(f"{text}\n")

    def print(self, target: TextIO, text: str) -> None:
        """Write other output at the cursor, after erasing the lines."""
        with self._lock:
            self.erase()
            target.write(text)
            target.flush()

    def _takes_more(self) -> bool:
        """Return False for a terminal stopped by Ctrl-S, which must not block the run."""
        try:
            poll = select.poll()
            poll.register(self._stream, select.POLLOUT)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return False

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal is gone: SIGHUP ends the run
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()


class _Above:
    """Replaces sys.stdout or sys.stderr: output appears above the lines.

    Output is passed on in whole lines: `print` writes a line and its end separately, and another
    thread may write in between. An unfinished line waits for its end, or for a flush.
    """

    def __init__(self, screen: Screen, target: TextIO) -> None:
        self._screen = screen
        self._target = target
        self._begun: dict[int, str] = {}  # unfinished lines, by thread

    def write(self, text: str) -> int:
        thread = threading.get_ident()
        begun = self._begun.pop(thread, "") + text
        cut = begun.rfind("\n") + 1
        if cut < len(begun):
            self._begun[thread] = begun[cut:]
        if cut:
            self._screen.print(self._target, begun[:cut])
        return len(text)

    def flush(self) -> None:
        begun = self._begun.pop(threading.get_ident(), "")
        if begun:
            self._screen.print(self._target, begun)
        else:
            self._target.flush()

    def finish(self) -> None:
        """Write the unfinished lines of every thread."""
        while self._begun:
            _thread, begun = self._begun.popitem()
            self._screen.print(self._target, begun)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)
