"""The message for an exception in a task: step, row, host and remote traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from glowpy.errors import (
    GlowError,
    InputError,
    OutputError,
    PlanMismatch,
    ProgramError,
    TaskFailed,
    short_repr,
)
from glowpy.flow.graph import Step
from glowpy.resources import host_name

NO_ROW: Any = object()
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
FUSED = "<glowpy fused steps>"  # file name of the compiled loops
# Limits on the size of a failure message. Exceptions that quote their whole input exist.
_MOST_WORDS = 10_000
_MOST_TRACEBACK = 200_000


class StepFailed(Exception):
    """The user's code raised while a step ran. Never leaves the task."""

    def __init__(self, step: Step, row: Any, cause: BaseException) -> None:
        super().__init__(step.describe())
        self.step = step
        self.row = row
        self.cause = cause


class AttemptAborted(BaseException):
    """The driver has aborted this attempt. Never leaves the task.

    A BaseException, so that no user code catches it by `except Exception`.
    """


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
    """Return the message of a failure: step, host, task, exception, row and traceback."""
    step, cause = failure.step, failure.cause
    place = f" in task {task} of {step.task_count}" if step.task_count > 1 else ""
    lines = [f"{step.describe()} failed on {host or host_name()}{place}: {_summary(cause)}"]
    if failure.row is not NO_ROW:
        lines.append(f"row: {short_repr(failure.row)}")
    if trace := _traceback(cause):
        lines += ["", "Traceback in the task:", _cut(trace, _MOST_TRACEBACK)]
    text = "\n".join(lines)
    return text.encode("utf-8", "backslashreplace").decode()  # lone surrogates cannot be encoded


def packed(cause: BaseException) -> bytes:
    """Return the exception with its chain; empty if the driver could not rebuild it."""
    from glowpy.task.exception_chain import pack  # loaded by failures only

    return pack(cause)


def refused(reason: str, data: bytes) -> GlowError:
    """Return the driver's error for an executor that cannot run the flow."""
    cause = unpickled(data)
    return PlanMismatch(reason) if isinstance(cause, PlanMismatch) else ProgramError(reason)


def unpacked(reason: str, data: bytes) -> GlowError:
    """Return the driver's error for a failed group."""
    if "IPython" in sys.modules:
        from glowpy.notebook import with_cell_names

        reason = with_cell_names(reason)
    cause = unpickled(data)
    # An unreadable or unwritable file is not an error of the user's code.
    kind = type(cause) if isinstance(cause, (InputError, OutputError)) else TaskFailed
    error = kind(reason)
    error.__cause__ = cause
    return error


def unpickled(data: bytes) -> BaseException | None:
    """Return the exception packed by `packed`; None if it cannot be rebuilt."""
    if not data:
        return None
    from glowpy.task.exception_chain import unpack

    return unpack(data)


def _summary(cause: BaseException) -> str:
    if isinstance(cause, SystemExit):
        return f"the step called sys.exit({'' if cause.code is None else short_repr(cause.code)})"
    try:
        text = str(cause)
    except Exception as exc:  # noqa: BLE001
        text = f"<its __str__ raised {type(exc).__name__}>"
    name = type(cause).__name__
    return f"{name}: {_cut(text, _MOST_WORDS)}" if text else name


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} … {text[-most // 2 :]} ({len(text)} characters)"


def _traceback(cause: BaseException) -> str:
    """Format the whole chain, each traceback from the first frame of the user's code.

    The line of the exception itself is left out: the summary has it. Errors of glowpy have no
    traceback, except with `-glow.debug`, which shows all frames.
    """
    from glowpy.tracebacks import shows_all

    if isinstance(cause, GlowError) and not shows_all():
        return ""
    import traceback  # slow to import, and seldom needed

    story = traceback.TracebackException.from_exception(cause)
    pending = [] if shows_all() else [story]
    while pending:
        each = pending.pop()
        while each.stack and each.stack[0].filename.startswith((_PACKAGE, FUSED)):
            del each.stack[0]
        others = (each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ()))
        pending += [other for other in others if other is not None]
    text = "".join(story.format())
    if getattr(story, "exceptions", None):
        return text.rstrip()  # a group stands in the midst of its members
    end = list(story.format_exception_only())  # the text of a SyntaxError, the line, its notes
    kept = [line for line in end if not line.startswith(_name_of(cause))]
    return (text.removesuffix("".join(end)) + "".join(kept)).rstrip()


def _name_of(error: BaseException) -> str:
    """The name of its class, as tracebacks have it."""
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
