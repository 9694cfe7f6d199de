"""What the driver says while a run goes on: printed lines of tasks, and notes on stderr."""

from __future__ import annotations

import os
from typing import TextIO

from glowpy.errors import OutputError, reason_of
from glowpy.stdio import tell
from glowpy.timing import Timing


def is_screen(stream: TextIO | None) -> bool:
    """True of a terminal whose cursor can be moved."""
    try:
        is_terminal = stream is not None and stream.isatty()
    except (ValueError, AttributeError):  # closed, or something else that the user has put there
        return False
    return is_terminal and os.environ.get("TERM", "dumb") not in ("dumb", "")


class Report:
    """Speaks on the driver's own stdout and stderr, as they are at that moment."""

    def __init__(self, timing: Timing, *, is_quiet: bool) -> None:
        self._timing = timing
        self._is_quiet = is_quiet
        self._announced = ""  # what is being waited for, as last said
        self._waiting = ""
        self._since = 0.0

    def printed(self, source: str, target: TextIO | None, text: str) -> None:
        """Whole lines that a task has printed, each behind its agent's address if there is one.

        Without a target, as in a process that was started without one, they go nowhere.

        Raises:
            OutputError: they cannot be written.
        """
        if target is None:
            return
        if source:
            text = "".join(f"{source}> {line}\n" for line in text.removesuffix("\n").split("\n"))
        try:
            _write(target, text)
        except (OSError, ValueError) as exc:  # ValueError: the stream was closed
            name = getattr(target, "name", "its stream")
            raise OutputError(f"cannot write what tasks print to {name}: {reason_of(exc)}") from exc

    def note(self, text: str) -> None:
        """One thing that the user should know."""
        if not self._is_quiet:
            tell(f"glowpy: {text}")

    def show(self, text: str) -> None:
        """What the user has asked for, on stderr."""
        tell(text)

    def waiting(self, now: float, what: str) -> None:
        """Say once what is being waited for, when that lasts."""
        if what != self._waiting:
            self._waiting, self._since = what, now
        elif what and what != self._announced and now - self._since >= self._timing.notice_s:
            self._announced = what
            self.note(f"waiting for {what}")


def _write(target: TextIO, text: str) -> None:
    try:
        target.write(text)
    except UnicodeEncodeError:  # a terminal or pipe that is not UTF-8 gets escapes
        encoding = target.encoding or "utf-8"
        target.write(text.encode(encoding, "backslashreplace").decode(encoding))
    target.flush()
