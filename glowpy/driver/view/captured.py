"""Captures output of executors past `print`, while the driver draws on their terminal.

Handlers of `logging` made before the run, child processes and C libraries write to the file
descriptors. Where a descriptor is the terminal of a live view, a pipe to the driver replaces it, as
at an agent; elsewhere nothing is changed.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from types import TracebackType

from glowpy.agent.output import OutputPipe
from glowpy.driver.view.report import Report
from glowpy.wire.transport import Poller


class CapturedOutput:
    """Pipes in place of standard output and error. A context manager around the fork server.

    Made before the fork server is forked; each executor calls `attach`.
    """

    def __init__(self, poller: Poller, report: Report) -> None:
        self._pipes: dict[int, OutputPipe] = {}  # by the replaced file descriptor
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            if os.isatty(descriptor):
                give = partial(_give, report, name)
                self._pipes[descriptor] = OutputPipe(poller, give)

    def attach(self) -> None:
        """In an executor: redirect standard output and error to the pipes."""
        for descriptor, pipe in self._pipes.items():
            os.dup2(pipe.writing_end, descriptor)

    def forked(self) -> None:
        """In the driver, once the fork server holds the write ends: close the driver's copies."""
        for pipe in self._pipes.values():
            pipe.close_writing_end()

    def drain(self) -> None:
        """Print the output so far, before messages that arrived by other ways."""
        for pipe in self._pipes.values():
            pipe.drain()

    def __enter__(self) -> CapturedOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in self._pipes.values():
            pipe.close()


def _give(report: Report, name: str, text: str) -> None:
    report.printed("", getattr(sys, name), text)
