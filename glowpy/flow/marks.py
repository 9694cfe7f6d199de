"""Variables that a script has marked as different in driver and task (`glowpy.may_differ`)."""

from __future__ import annotations

import sys

from glowpy.flow.arguments import definition_error

_marked: set[tuple[str, str]] = set()


def may_differ(*names: str) -> None:
    """Mark variables of this module whose values may differ between the driver and its tasks.

    On a cluster, each executor runs the script again. A variable that a step's function uses must
    have the driver's value there; otherwise the run ends with a `PlanMismatch`. A variable that no
    row depends on, such as a start time for log lines, is marked before the run.

    Args:
        names: of globals, or of variables, defaults and attributes that functions of this module
            use.

    Raises:
        DefinitionError: a name is not that of a variable.

    >>> import os, glowpy
    >>> pid = os.getpid()
    >>> glowpy.may_differ("pid")
    """
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            raise definition_error(f"may_differ() takes names of variables, not {name!r:.100}")
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    _marked.update((module, name) for name in names)


def marked_names() -> frozenset[tuple[str, str]]:
    """All marked names, each with the module that marked it."""
    return frozenset(_marked)
