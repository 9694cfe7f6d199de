"""An exception in a task, made into what the user is told: step, row, host, remote traceback."""

from __future__ import annotations

import pickle
import socket
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from glowpy.errors import GlowError, TaskFailed, shown
from glowpy.flow.graph import Step

NO_ROW: Any = object()


class StepFailed(Exception):
    """The user's code raised while a step ran. Stays within the task."""

    def __init__(self, step: Step, row: Any, cause: BaseException) -> None:
        super().__init__(step.describe())
        self.step = step
        self.row = row
        self.cause = cause


class AttemptAborted(BaseException):
    """The driver has no more use for this attempt. Stays within the task; no user code catches it
    by `except Exception`."""


def row_in(trace: TracebackType | None, files: Iterable[str]) -> Any:
    """The variable `row` of the innermost kernel frame in a traceback, or NO_ROW."""
    names = tuple(files)
    row = NO_ROW
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_filename.startswith(names):
            row = frame.f_locals.get("row", row)
        trace = trace.tb_next
    return row


def explain(failure: StepFailed, task: int, host: str) -> str:
    """The whole story in words, for whoever wrote the step."""
    step, cause = failure.step, failure.cause
    place = f" in task {task} of {step.task_count}" if step.task_count > 1 else ""
    lines = [
        f"{step.describe()} failed on {host or socket.gethostname()}{place}: {_summary(cause)}"
    ]
    if failure.row is not NO_ROW:
        lines.append(f"row: {shown(failure.row)}")
    if not isinstance(cause, GlowError):
        lines += ["", "Traceback in the task:", _traceback(cause)]
    return "\n".join(lines)


def packed(cause: BaseException) -> bytes:
    """The exception itself for the driver, or nothing where it cannot travel."""
    try:
        data = pickle.dumps(cause)
        pickle.loads(data)  # many exceptions pickle and cannot be made again
    except Exception:  # noqa: BLE001
        # Whatever the user's exception class does wrong here: its words travel anyway.
        return b""
    return data


def unpacked(reason: str, data: bytes) -> TaskFailed:
    """The error that the driver raises for a failed group."""
    error = TaskFailed(reason)
    if data:
        try:
            error.__cause__ = pickle.loads(data)
        except Exception as exc:  # noqa: BLE001
            error.__cause__ = exc
    return error


def _summary(cause: BaseException) -> str:
    if isinstance(cause, SystemExit):
        return f"the step called sys.exit({'' if cause.code is None else cause.code!r})"
    text = str(cause)
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


def _traceback(cause: BaseException) -> str:
    """Formatted from the first frame of the user's code on."""
    trace = cause.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(cause), cause, trace)).rstrip()


def _is_ours(trace: TracebackType) -> bool:
    frame = trace.tb_frame
    return (
        frame.f_globals.get("__name__", "").startswith("glowpy.")
        or frame.f_code.co_filename == "<glowpy fused steps>"
    )
