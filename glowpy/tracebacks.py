"""Tracebacks of errors of glowpy: the user's frames, and each error once.

Python shows an uncaught error by `sys.excepthook`, IPython by the method `_render_traceback_`,
pytest by the hooks in `pytest_errors`. The message of a `GlowError` is complete, so frames of
glowpy and exceptions quoted in the message are hidden. The error keeps `__cause__` and
`__traceback__`. `-glow.debug` shows everything.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, TracebackType
from typing import Any

from glowpy.installed import GLOWPY, is_installed

_OWN = (GLOWPY, "<glowpy ")  # the second: loops of fused steps have no file

_shows_all = False


def show_all() -> None:
    """Show frames of glowpy and all causes in this process from now on (`-glow.debug`)."""
    global _shows_all
    _shows_all = True


def shows_all() -> bool:
    """Return True after `show_all`."""
    return _shows_all


def is_own(file_name: str) -> bool:
    """Return True for a source file of glowpy."""
    return file_name.startswith(_OWN)


def show_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an uncaught exception; replaces `sys.excepthook`."""
    with cleaned(error, trace) as shown:
        if getattr(error, "is_told", False):  # of `errors.interrupted`
            error.__traceback__ = shown = None
        sys.__excepthook__(kind, error, shown)


def show_exception_of_thread(arguments: threading.ExceptHookArgs) -> None:
    """Print an uncaught exception of a thread; replaces `threading.excepthook`."""
    error = arguments.exc_value
    if error is None:
        threading.__excepthook__(arguments)
        return
    with cleaned(error, arguments.exc_traceback) as shown:
        fields = (arguments.exc_type, error, shown, arguments.thread)
        threading.__excepthook__(threading.ExceptHookArgs(fields))


def ipython_lines(error: BaseException) -> list[str]:
    """Return the lines of an error of glowpy for IPython."""
    from glowpy.notebook import shell

    with cleaned(error, error.__traceback__) as shown:
        view: Any = shell().InteractiveTB
        lines: list[str] = view.structured_traceback(type(error), error, shown, tb_offset=1)
        return lines


def concerns_glowpy(error: BaseException) -> bool:
    """Return True for an error of glowpy, also as the cause or context of another."""
    return any(map(_is_glowpys, _chain(error))) or _ends_in_lookup(error.__traceback__)


@contextmanager
def cleaned(error: BaseException, trace: TracebackType | None) -> Iterator[TracebackType | None]:
    """Hide frames and causes of an error and of the errors behind, within the block.

    Yields the traceback to show.
    """
    if _shows_all:
        yield trace
        return
    before = [
        (each, each.__traceback__, each.__cause__, each.__suppress_context__)
        for each in _chain(error)
    ]
    for each, whole, _cause, _is_suppressed in before:
        each.__traceback__ = _shown_frames(each, trace if each is error else whole)
        if _is_glowpys(each):
            each.__cause__ = None  # and no context
    try:
        yield error.__traceback__
    finally:
        for each, whole, cause, is_suppressed in before:
            each.__traceback__ = whole
            each.__cause__ = cause
            each.__suppress_context__ = is_suppressed


def user_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback without frames of glowpy and of libraries called by glowpy."""
    kept: list[TracebackType] = []
    is_below_own = False
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if is_own(name):
            is_below_own = True
        elif not (is_below_own and (is_installed(name) or name.startswith("<frozen "))):
            is_below_own = False
            kept.append(trace)
        trace = trace.tb_next
    made: TracebackType | None = None
    for each in reversed(kept):
        made = TracebackType(made, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return made


def _shown_frames(error: BaseException, trace: TracebackType | None) -> TracebackType | None:
    is_expected = _is_glowpys(error) or isinstance(error, KeyboardInterrupt)
    if is_expected or _ends_in_user_code(trace) or _ends_in_lookup(trace):
        return user_frames(trace)
    return trace  # a fault of glowpy: the frames name the line


def _is_glowpys(error: BaseException) -> bool:
    return any(each.__module__ == "glowpy.errors" for each in type(error).__mro__)


def _ends_in_user_code(trace: TracebackType | None) -> bool:
    return trace is not None and not is_own(_innermost(trace).co_filename)


def _ends_in_lookup(trace: TracebackType | None) -> bool:
    """Return True for the lookup of a missing attribute of an object of glowpy."""
    if trace is None:
        return False
    code = _innermost(trace)
    return is_own(code.co_filename) and code.co_name == "__getattr__"


def _innermost(trace: TracebackType) -> CodeType:
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error with all causes and contexts, each once."""
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and not any(each is other for other in found):
            found.append(each)
            pending += [each.__cause__, each.__context__]
    return found
