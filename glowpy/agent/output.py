"""The output of an executor's process to its standard output and error, as whole lines.

`print` in tasks goes another way (see `task.printing`). This module captures output that bypasses
Python's `sys.stdout`: earlier handlers of `logging`, child processes, C libraries, and everything
printed by the script before its flow runs.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable

from glowpy.wire.transport import Poller

_READ_BYTES = 1 << 16  # the capacity of a pipe
_MOST_READS = 16  # in a row, before other work has its turn
_MOST_CHARACTERS = 200_000  # of a line; longer lines are split


class OutputPipe:
    """The read end of a pipe, watched by a poller.

    Attributes:
        writing_end: for the process.
    """

    def __init__(self, poller: Poller, give: Callable[[str], None]) -> None:
        self._poller = poller
        self._give = give
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._descriptor, self.writing_end = os.pipe()
        os.set_blocking(self._descriptor, False)
        poller.register(self._descriptor, self.drain)

    def drain(self) -> None:
        """Pass on the lines received so far; never blocks."""
        for _ in range(_MOST_READS):
            if self._descriptor < 0:
                return
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                return
            if data:
                self._take(self._decoder.decode(data))
            else:
                self._stop()

    def close_writing_end(self) -> None:
        """Close the write end once the process has inherited it, so that its exit ends the pipe."""
        if self.writing_end >= 0:
            os.close(self.writing_end)
            self.writing_end = -1

    def close(self) -> None:
        """Pass on the remaining output, an unfinished line as a line."""
        self.close_writing_end()
        self.drain()
        self._stop()
        text = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        if text:
            self._give(text + "\n")

    def _take(self, text: str) -> None:
        text = self._rest + text
        cut = text.rfind("\n") + 1
        if not cut and len(text) >= _MOST_CHARACTERS:
            cut = len(text)
        self._rest = text[cut:]
        if cut:
            self._give(text[:cut])

    def _stop(self) -> None:
        if self._descriptor >= 0:
            self._poller.unregister(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
