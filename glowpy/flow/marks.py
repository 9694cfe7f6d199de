"""Variables that may differ between driver and task, marked by the script.

`glowpy.may_differ` marks variables by name. An assignment on a line that calls `glowpy.is_task()`
marks its variable too: `costly = None if glowpy.is_task() else load()`.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType

from glowpy.flow.arguments import definition_error

_marked: set[tuple[str, str]] = set()
_asked: dict[tuple[int, int], tuple[str, CodeType, int]] = {}


def may_differ(*names: str) -> None:
    """Mark variables whose values may differ between the driver and its tasks.

    On a cluster, each executor runs the script again. A variable used by a step's function must
    have the driver's value in the executor; otherwise the run ends with a `PlanMismatch`. Mark a
    variable that no row depends on, such as a start time for log lines, before the run.

    Args:
        names: of globals, closure variables, defaults and attributes. A mark in the script counts
            for all functions of the program, a mark in a module for the module's own functions.

    Raises:
        DefinitionError: a name is not an identifier.

    >>> import os, glowpy
    >>> pid = os.getpid()
    >>> glowpy.may_differ("pid")
    """
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            raise definition_error(f"may_differ() takes names of variables, not {name!r:.100}")
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    _marked.update((module, name) for name in names)


def note_is_task(frame: FrameType) -> None:
    """Record the line of a call of `glowpy.is_task()`."""
    code, line = frame.f_code, frame.f_lineno
    if (id(code), line) not in _asked:
        module = frame.f_globals.get("__name__", "__main__")
        _asked[id(code), line] = module, code, line


def lines_with_is_task() -> list[tuple[str, CodeType, int]]:
    """Return module, code and number of each line that has called `glowpy.is_task()`."""
    return list(_asked.values())


def marked_names() -> frozenset[tuple[str, str]]:
    """Return all marked names, each with the module that marked it."""
    return frozenset(_marked)
