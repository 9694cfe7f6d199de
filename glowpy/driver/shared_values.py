"""Finds values that functions of a run cannot share between processes, before any row is read.

A connection is an error. A file open for writing, a random generator or a changed variable is
reported in a note. Inline runs are not checked, because they have a single process.
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

# Types of variables whose changes are reported: by a method such as `append`, and by `+=`. A method
# of a dictionary may fill a cache, and is not reported.
_CHANGED_BY_METHOD = (list, set, deque, Counter)
_CHANGED_IN_PLACE = (int, float, complex, str, bytes, list, tuple, set, frozenset, dict)
_CONNECTION_REMEDY = (
    "Executors are separate processes: on a shared connection they receive each other's answers, "
    "and writes to a copy are lost. Open the connection in the function of map_partitions(), once "
    "per shard"
)
_GENERATOR_REMEDY = (
    "Each executor has a copy, and all copies draw the same numbers. Call the functions of "
    "`random` or `numpy.random`, which are seeded for each task, or make a generator in the "
    "function of map_partitions()"
)
_FILE_REMEDY = (
    "Each executor has a copy of the file's write buffer: lines are mixed, repeated or lost. "
    "Return rows, and save them by save_text_to_file()"
)
_VARIABLE_REMEDY = (
    "Each executor changes its own copy, and the driver's variable keeps its value. Return rows, "
    "and reduce or collect them"
)


class _Use(NamedTuple):
    """A variable, attribute or argument used by a function of a step."""

    name: str
    value: Any
    shown: str  # first words of a message: the user and the variable
    module: str  # whose `may_differ()` marks apply


def check_shared_values(plan: Plan, report: Report) -> None:
    """Raise for a value that executors cannot share; report once each value that executors copy.

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
            if text := _note_on(use, step):
                report.note_once(text, text)
        for function in filter(reached.is_local_function, reached.functions):
            for text in _notes_on_changes(function):
                report.note_once(text, text)


def _uses(reached: Reached, arguments: tuple[Any, ...], step: Step) -> Iterator[_Use]:
    for function in reached.functions:
        module = function.__globals__.get("__name__", "__main__")
        values = list(captured_by(function))
        if reached.is_local_function(function):
            values += reached.globals_of(function)
        for name, value in values:
            yield _Use(
                name=name,
                value=value,
                shown=f"{_name_and_place(function)} uses `{name}`",
                module=module,
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
                name="",
                value=value,
                shown="a step's function is a method of an object",
                module="__main__",
            )


def _note_on(use: _Use, step: Step) -> str:
    """Return the note on a value; an empty string if the value is harmless.

    Raises:
        ProgramError: executors cannot share the value.
    """
    if use.value is MISSING:
        return ""
    handle = handle_or_file_in(use.value)
    if handle is not None and is_handle(handle):
        kind = f"{type(handle).__module__}.{type(handle).__qualname__}"
        what = f"a {kind}" if handle is use.value else f"which holds a {kind}"
        raise ProgramError(
            f"{step.describe()}: {use.shown}, {what} of the driver. {_CONNECTION_REMEDY}"
        )
    if is_generator(use.value):
        return f"{use.shown}, a random generator of the driver. {_GENERATOR_REMEDY}"
    if handle is not None:
        name = getattr(handle, "name", "")
        return f"{use.shown}, the file {name!r} open for writing. {_FILE_REMEDY}"
    return ""


def _notes_on_changes(function: FunctionType) -> Iterator[str]:
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
            f"{_VARIABLE_REMEDY}"
        )


def _is_state(change: ChangedName, value: Any) -> bool:
    """Return True if the change accumulates a result; a change of a flag or cache does not."""
    kind = type(value)  # isinstance() would run the code of a proxy
    if change.method:
        return issubclass(kind, _CHANGED_BY_METHOD)
    if change.is_element:
        return issubclass(kind, (list, dict))
    return issubclass(kind, _CHANGED_IN_PLACE) and kind is not bool


def _name_and_place(function: FunctionType) -> str:
    code = function.__code__
    place = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"
    return f"{function.__qualname__}() ({place})"
