"""Logs an agent's messages to drivers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from glowpy.wire.run_messages import (
    ExecutorExited,
    GroupEnded,
    GroupStarted,
    Launched,
    LaunchRefused,
    Outcome,
    Recalled,
    RunClosed,
    RunRefused,
)

_IDS = ("run", "executor", "group", "attempt")


def ids_of(message: Any) -> dict[str, Any]:
    """Return the ids of run, executor, group and attempt contained in a message."""
    return {name: getattr(message, name) for name in _IDS if hasattr(message, name)}


def log_sent(log: logging.Logger, message: Any) -> None:
    """Log a message to a driver, if its type has a log line and the level is enabled."""
    line = _LINES.get(type(message))
    if line is None:
        return
    level, text_of = line
    if isinstance(message, GroupEnded) and message.outcome is not Outcome.SEALED:
        level = logging.INFO
    elif isinstance(message, ExecutorExited) and not message.expected:
        level = logging.WARNING
    if log.isEnabledFor(level):
        log.log(level, "%s", text_of(message), extra=ids_of(message))
    if isinstance(message, GroupEnded) and message.outcome is Outcome.FAILED:
        log.debug("its error: %s", message.reason, extra=ids_of(message))
    if isinstance(message, GroupEnded) and message.began is not None:
        log_sent(log, message.began)


def _ended(message: GroupEnded) -> str:
    work = message.work
    said = f"an attempt has ended: {message.outcome.value}"
    if message.outcome is not Outcome.SEALED:
        # The error of a user's function shows rows, which only the driver may see.
        has_reason = message.reason and message.outcome is not Outcome.FAILED
        return f"{said}: {message.reason}" if has_reason else said
    took_s = work.waited_s + work.ran_s
    return f"{said}, {work.rows_in} rows in, {work.rows_out} out, after {took_s:.3f} s"


_LINES: dict[type, tuple[int, Callable[[Any], str]]] = {
    GroupStarted: (logging.DEBUG, lambda _message: "an attempt begins"),
    GroupEnded: (logging.DEBUG, _ended),
    Recalled: (logging.DEBUG, lambda _message: "an assignment is given back"),
    Launched: (logging.INFO, lambda message: f"an executor has started, process {message.pid}"),
    LaunchRefused: (logging.WARNING, lambda message: f"an executor is refused: {message.reason}"),
    ExecutorExited: (logging.INFO, lambda message: f"an executor has ended: {message.cause}"),
    RunRefused: (logging.WARNING, lambda message: f"a run is refused: {message.reason}"),
    RunClosed: (logging.DEBUG, lambda _message: "nothing is left of the run"),
}
