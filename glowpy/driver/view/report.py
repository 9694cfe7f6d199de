"""Output of the driver during a run: lines printed by tasks, and notes on stderr."""

from __future__ import annotations

import os
from typing import TextIO

from glowpy.errors import OutputError, reason_of
from glowpy.stdio import notify_user
from glowpy.timing import Timing

_MAX_SUBJECTS = 1000
_noted_subjects: set[str] = set()


def is_screen(stream: TextIO | None) -> bool:
    """Return True for a terminal with a movable cursor."""
    try:
        is_terminal = stream is not None and stream.isatty()
    except (ValueError, AttributeError):  # closed, or replaced by the user
        return False
    return is_terminal and os.environ.get("TERM", "dumb") not in ("dumb", "")


class _Wait:
    """The wait of one part of a run."""

    __slots__ = ("noted", "since", "what")

    def __init__(self) -> None:
        self.what = ""
        self.since = 0.0
        self.noted = ""  # the last text


class Report:
    """Writes to the driver's stdout and stderr, as replaced by the user at that moment."""

    def __init__(self, timing: Timing, *, is_quiet: bool) -> None:
        self._timing = timing
        self._is_quiet = is_quiet
        self._waits: dict[str, _Wait] = {}

    def printed(self, source: str, target: TextIO | None, text: str) -> None:
        """Write whole lines printed by a task, each prefixed by its agent's address, if any.

        Without a target, in a process started without the stream, the lines are dropped.

        Raises:
            OutputError: the stream cannot be written.
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
        """Write a note for the user."""
        if not self._is_quiet:
            notify_user(f"glowpy: {text}")

    def note_once(self, subject: str, text: str) -> None:
        """Write a task's note if its subject is new in this process.

        Each executor of each run of the script sends the same notes.
        """
        if subject not in _noted_subjects and len(_noted_subjects) < _MAX_SUBJECTS:
            _noted_subjects.add(subject)
            self.note(text)

    def show(self, text: str) -> None:
        """Write output requested by the user to stderr."""
        notify_user(text)

    def waiting(
        self, now: float, what: str, *, part: str = "", after_s: float | None = None
    ) -> None:
        """Note the event awaited by a part of the run, once, when the wait lasts.

        Args:
            what: the event as text; empty: the part is not waiting.
            after_s: the length of a noted wait; `notice_s` by default.
        """
        wait = self._waits.setdefault(part, _Wait())
        if what != wait.what:
            wait.what, wait.since = what, now
            return
        patience_s = self._timing.notice_s if after_s is None else after_s
        if what and what != wait.noted and now - wait.since >= patience_s:
            wait.noted = what
            self.note(f"waiting for {what}")


def _write(target: TextIO, text: str) -> None:
    try:
        target.write(text)
    except UnicodeEncodeError:  # a terminal or pipe without UTF-8 gets escapes
        encoding = target.encoding or "utf-8"
        target.write(text.encode(encoding, "backslashreplace").decode(encoding))
    target.flush()
