"""The format and the volume of logs.

A line names the run, group, attempt, executor and agent concerned:

    2026-11-25 09:42:42,840 INFO glowpy.agent.server agent=127.0.0.1:8931 run=ab12 attempt=17: …

A grep for `attempt=17` finds the lines of driver, agent and master about the attempt. Callers pass
the ids in `extra=`: `log.info("it begins", extra={"run": run})`. The volume is bounded: repeated
lines of one kind are counted instead of written, and files are rotated.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from glowpy.errors import ConfigError, reason_of
from glowpy.links import resolve_links

LEVELS = ("debug", "info", "warning", "error")
FIELDS = ("agent", "run", "executor", "group", "attempt", "lease")
FILE_MB = 10  # of a log file before rotation
KEPT_FILES = 3  # rotated files to keep
_MOST_CHARACTERS = 4000  # of one line, because strangers may send any text
_MOST_ALIKE = 100  # lines of one kind per interval
_ALIKE_S = 10.0  # the interval; not in `timing`, because it limits disk use and reading, not a wait
_MOST_KINDS = 1000


class LogFormatter(logging.Formatter):
    """Formats one line per message, with the ids concerned."""

    def __init__(self, **of_process: str) -> None:
        super().__init__()
        self.of_process = of_process  # ids for every line of this process

    def format(self, record: logging.LogRecord) -> str:
        given = {**self.of_process, **record.__dict__}
        ids = "".join(
            f" {name}={given[name]}" for name in FIELDS if given.get(name) not in (None, "")
        )
        text = f"{record.levelname} {record.name}{ids}: {record.getMessage()}"
        if len(text) > _MOST_CHARACTERS:
            text = f"{text[:_MOST_CHARACTERS]}… ({len(text)} characters)"
        line = f"{self.formatTime(record)} {_in_one_line(text)}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _in_one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class RateLimit(logging.Filter):
    """Passes a limited number of lines of a kind per interval, then one line with the count.

    A kind is a level, a logger and the message before its arguments are filled in. Debug lines are
    requested explicitly and always pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # start of the interval, number of lines
        self._kinds: dict[tuple[int, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG:
            return True
        now = self._clock()
        kind = record.levelno, record.name, str(record.msg)
        since, count = self._kinds.get(kind, (now, 0))
        if now - since >= _ALIKE_S:
            if count > _MOST_ALIKE:
                left_out = count - _MOST_ALIKE
                record.msg = f"{record.msg} ({left_out} more like this were left out before)"
            since, count = now, 0
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = since, count + 1
        if count == _MOST_ALIKE:
            record.msg = f"{record.msg} (more like this are left out for {_ALIKE_S:g} s)"
        return count <= _MOST_ALIKE


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # takes no parameter before Python 3.11


class _Stderr(_StreamHandler):
    """Writes to the current sys.stderr, which a live view may replace."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a stderr without a reader."""


class _File(logging.handlers.RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        resolve_links(self.baseFilename)
        return open(self.baseFilename, "a", encoding=self.encoding, opener=_open_private)

    def close(self) -> None:
        with suppress(OSError):  # unwritten lines are lost
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a full disk: the server continues without a log."""


def _open_private(path: str, flags: int) -> int:
    """Open a file readable by this user only."""
    descriptor = os.open(path, flags, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) and stat.S_IMODE(mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def start_log(
    level: str, *, file: str = "", file_mb: int = FILE_MB, logger: str = "", **of_process: str
) -> LogFormatter:
    """Log to standard error or a file, from one of LEVELS on; return the formatter.

    Args:
        file: path, readable by this user only; rotated at `file_mb`, with KEPT_FILES old files
            kept.
        logger: name of the logger, which includes all loggers below it.

    Raises:
        ConfigError: the file cannot be written, or its path contains a link of another user.
    """
    handler: logging.Handler = _Stderr()
    if file:
        try:
            handler = _File(file, maxBytes=file_mb << 20, backupCount=KEPT_FILES, encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"cannot write the log file {file}: {reason_of(exc)}") from exc
    lines = LogFormatter(**of_process)
    handler.setFormatter(lines)
    handler.addFilter(RateLimit())
    target = logging.getLogger(logger)
    for old in list(target.handlers):
        if logger == "" or isinstance(old, (_Stderr, _File)):
            target.removeHandler(old)
            old.close()
    target.addHandler(handler)
    target.setLevel(level.upper())
    if logger:
        target.propagate = False  # the script's own log would repeat the lines
    return lines
