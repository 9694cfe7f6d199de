"""A real terminal for a process: a pty, and an emulator of the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pyte

from tests.processes import BOUND_S, executors, family_of


class Terminal:
    """A process on a terminal whose screen a test can read."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int, size: tuple[int, int]):
        self.process = process
        self._descriptor = descriptor
        self._screen = pyte.HistoryScreen(*size, history=100_000, ratio=1)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""

    def text(self) -> str:
        """The whole screen with scrolled lines, without blanks at ends of lines."""
        scrolled = [self._line(line) for line in self._screen.history.top]
        return "\n".join([*scrolled, *map(str.rstrip, self._screen.display)]).rstrip("\n") + "\n"

    def _line(self, line: Mapping[int, pyte.screens.Char]) -> str:
        return "".join(line[column].data for column in range(self._screen.columns)).rstrip()

    def cells(self, line: int) -> Mapping[int, pyte.screens.Char]:
        """The characters of a line of the screen, by column, with their colours."""
        cells: Mapping[int, pyte.screens.Char] = self._screen.buffer[line]
        return cells

    def await_match(self, pattern: str) -> re.Match[str]:
        """Wait until a part of the screen matches, and return the match."""
        return self.await_true(lambda text: re.search(pattern, text), pattern)

    def await_true(self, found: Callable[[str], re.Match[str] | None], what: str) -> re.Match[str]:
        deadline = time.monotonic() + BOUND_S
        while True:
            match = found(self.text())
            if match is not None:
                return match
            assert time.monotonic() < deadline, f"no {what!r} on the screen:\n{self.text()}"
            assert self.read(1.0), f"it ended without {what!r} on the screen:\n{self.text()}"

    def press(self, key: bytes) -> None:
        os.write(self._descriptor, key)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen.resize(lines, columns)

    def finish(self) -> int:
        """Read to the end and return the exit status."""
        deadline = time.monotonic() + BOUND_S
        while self.read(1.0):
            assert time.monotonic() < deadline, f"it does not end:\n{self.text()}"
        return self.process.wait(BOUND_S)

    def read(self, timeout_s: float) -> bool:
        """Read the available output; return False at the end."""
        if select.select([self._descriptor], [], [], timeout_s)[0]:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except OSError:  # the other end has been closed by all processes
                return False
            self.raw += data
            self._stream.feed(data)
            return bool(data)
        return True


@contextmanager
def on_terminal(
    directory: Path,
    *words: str | Path,
    environment: Mapping[str, str] | None = None,
    size: tuple[int, int] = (120, 40),
    stdout: int | None = None,
    stderr: int | None = None,
) -> Iterator[Terminal]:
    """`python WORDS…` on a separate terminal; the block has to end the process by `finish()`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    with tempfile.TemporaryDirectory(prefix="gw-") as temporary:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=directory,
            env={
                **os.environ,
                "PYTHONWARNINGS": "error",
                "TERM": "xterm-256color",
                **(environment or {}),
                "TMPDIR": temporary,
            },
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs if stderr is None else stderr,
            start_new_session=True,
            # the terminal becomes the controlling one, so that Ctrl-C reaches the process
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        terminal = Terminal(process, ours, size)
        try:
            yield terminal
            left = [*family_of(temporary), *executors()]
            assert not left, f"left behind: {left}; it said:\n{terminal.text()}"
            files = sorted(str(path) for path in Path(temporary).rglob("*"))
            assert not files, f"left behind: {files}; it said:\n{terminal.text()}"
        finally:
            for each in family_of(temporary):
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait(BOUND_S)
            os.close(ours)
