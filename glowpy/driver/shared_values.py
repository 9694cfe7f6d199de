"""Checks, before any row is read, for process-bound values used by a run's functions.

Connections are refused; files, generators and changed variables are noted. Inline runs are one
process: their functions are not checked.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from functools import cache
from types import FunctionType, MethodType
from typing import Any

from glowpy.driver.handles import handle_or_file_in, is_generator, is_handle
from glowpy.driver.view.report import Report
from glowpy.errors import ProgramError
from glowpy.flow.graph import Step
from glowpy.flow.marks import marked_names
from glowpy.installed import is_installed
from glowpy.planner.changed_names import ChangedName, changes_in
from glowpy.planner.code_names import names_in
from glowpy.planner.plan import Plan, steps_of
from glowpy.planner.reached import MISSING, Reached, arguments_of, captured_by
from glowpy.program.own_text import local_modules
from glowpy.record import NamedTuple

_CHANGED_BY_METHOD = (list, set, deque, Counter)
_CHANGED_IN_PLACE = (int, float, complex, str, bytes, list, tuple, set, frozenset, dict)
_NO_HANDLES = (
    "Executors are other processes: over one connection they get each other's answers, and writes "
    "to a copy are lost. Open it inside of the function of map_partitions(), once per shard"
)
_OWN_GENERATOR = (
    "Each executor has a copy, and the copies draw the same numbers. Call the functions of "
    "`random` or `numpy.random`, which are seeded for each task, or make a generator inside of "
    "the function of map_partitions()"
)
_OWN_FILE = (
    "Each executor writes with a copy of its buffer: lines are mixed, repeated or lost. Return "
    "rows, and save them by save_text_to_file()"
)
_OWN_COPY = (
    "Each executor changes a copy of its own, and the driver's stays as it is. Return rows, and "
    "reduce or collect them"
)


class _Use(NamedTuple):
    """A variable used by a function of a step."""

    name: str
    value: Any
    shown: str  # in messages
    module: str  # where the variable may be marked


def check_shared_values(plan: Plan, report: Report) -> None:
    """Refuse values that executors cannot share; note, once each, values that executors copy.

    Raises:
        ProgramError: a function uses a connection of this process; names the variable.
    """
    is_local, names_of = local_modules(lambda file: not is_installed(file)), cache(names_in)
    marked, seen = marked_names(), set[int]()
    for step in steps_of(plan):
        reached = Reached(is_local, names_of)
        arguments = arguments_of(step.op)
        reached.follow(arguments)
        for use in _uses(reached, arguments, step):
            if id(use.value) in seen or (use.module, use.name.partition(".")[0]) in marked:
                continue
            seen.add(id(use.value))
            if text := _shared(use, step):
                report.note_once(text, text)
        for function in filter(reached.is_local_function, reached.functions):
            for text in _changed(function):
                report.note_once(text, text)


def _uses(reached: Reached, arguments: tuple[Any, ...], step: Step) -> Iterator[_Use]:
    for function in reached.functions:
        module = function.__globals__.get("__name__", "__main__")
        values = list(captured_by(function))
        if reached.is_local_function(function):
            values += reached.globals_of(function)
        for name, value in values:
            yield _Use(
                name=name, value=value, shown=f"{_shown(function)} uses `{name}`", module=module
            )
    for owner in reached.objects:
        kind = type(owner)
        for name, value in (reached.attributes_of(owner) or {}).items():
            shown = f"an object of {kind.__qualname__} has the attribute `{name}`"
            yield _Use(name=name, value=value, shown=shown, module=kind.__module__)
    for kind in reached.classes:
        for name, value in reached.members(kind):
            shown = f"class {kind.__qualname__} has the attribute `{name}`"
            yield _Use(name=name, value=value, shown=shown, module=kind.__module__)
    for value in arguments:
        if type(value) is MethodType:
            value = value.__self__
        if type(value) is not FunctionType and reached.attributes_of(value) is None:
            yield _Use(
                name="", value=value, shown="its function belongs to an object", module="__main__"
            )


def _shared(use: _Use, step: Step) -> str:
    """Return the note for a value; empty if none.

    Raises:
        ProgramError: executors cannot share the value.
    """
    if use.value is MISSING:
        return ""
    handle = handle_or_file_in(use.value)
    if handle is not None and is_handle(handle):
        kind = f"{type(handle).__module__}.{type(handle).__qualname__}"
        what = f"a {kind}" if handle is use.value else f"which holds a {kind}"
        raise ProgramError(f"{step.describe()}: {use.shown}, {what} of the driver. {_NO_HANDLES}")
    if is_generator(use.value):
        return f"{use.shown}, a random generator of the driver. {_OWN_GENERATOR}"
    if handle is not None:
        name = getattr(handle, "name", "")
        return f"{use.shown}, the file {name!r} open for writing. {_OWN_FILE}"
    return ""


def _changed(function: FunctionType) -> Iterator[str]:
    """Yield notes on the variables changed by a function."""
    captured = dict(captured_by(function))
    for change in changes_in(function.__code__):
        is_captured = change.name in function.__code__.co_freevars
        values = captured if is_captured else function.__globals__
        value = values.get(change.name, MISSING)
        if not _is_state(change, value):
            continue
        place = os.path.basename(function.__code__.co_filename)
        what = "the captured variable" if is_captured else "the global variable"
        yield (
            f"{function.__qualname__}() changes {what} `{change.name}` ({place}:{change.line}). "
            f"{_OWN_COPY}"
        )


def _is_state(change: ChangedName, value: Any) -> bool:
    """Return True for a value that accumulates, in contrast to a flag or a cache."""
    kind = type(value)  # isinstance() would run the code of a proxy
    if change.method:
        return issubclass(kind, _CHANGED_BY_METHOD)
    if change.is_element:
        return issubclass(kind, (list, dict))
    return issubclass(kind, _CHANGED_IN_PLACE) and kind is not bool


def _shown(function: FunctionType) -> str:
    code = function.__code__
    place = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"
    return f"{function.__qualname__}() ({place})"
