"""Standard input of a task: reading raises, because an empty file would give a wrong answer."""

from __future__ import annotations

import io
import sys
from typing import NoReturn

_REASON = (
    "a task has no standard input, only the driver has one: read it in the driver alone "
    "(`if not glowpy.is_task():`, or below glowpy.ready()), and pass its values to the flow "
    "as rows of slice() or as arguments of the script"
)


class _Refused:
    """Common base of the text and byte streams."""

    name = "<stdin>"

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def _refuse(self, *_size: object) -> NoReturn:
        raise io.UnsupportedOperation(_REASON)

    read = readline = readlines = _refuse
    __next__ = _refuse


class _NoBytes(_Refused, io.BufferedIOBase):
    """`sys.stdin.buffer` of a task."""

    mode = "rb"
    read1 = readinto = readinto1 = peek = _Refused._refuse


class NoInput(_Refused, io.TextIOBase):
    """`sys.stdin` of a task: can be inspected and closed; its descriptor is at end of file."""

    mode = "r"
    encoding, errors, newlines = "utf-8", "strict", None

    def __init__(self) -> None:
        self.buffer = _NoBytes()


def refuse_input() -> None:
    """Make reads of `sys.stdin` raise, unless the script has replaced the stream."""
    if sys.stdin is sys.__stdin__:
        sys.stdin = NoInput()
