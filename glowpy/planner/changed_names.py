"""Variables outside a function that its code changes, as far as the bytecode proves a change.

Each executor changes its own copy of such a variable. Assignments of cached values, such as
`cache[key] = value` or `model = load()`, affect one process only and are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from opcode import opname
from types import CodeType

from glowpy.planner.code_names import (
    HAS_PACKED_GLOBALS,
    HAS_PACKED_METHODS,
    cell_name,
    instructions,
)
from glowpy.record import NamedTuple

# Of lists, sets, deques and counters. Methods of dictionaries are missing: `update` may fill a
# cache.
_CHANGING = frozenset(
    "append appendleft add extend extendleft insert update discard remove subtract".split()
)
_FIRST_IN_PLACE = 13  # += among the operations of BINARY_OP


class ChangedName(NamedTuple):
    """A line that changes a variable: by a method, or by an operation such as `+=`."""

    name: str
    line: int
    method: str = ""
    is_element: bool = False  # `name[…] += …`


def changes_in(code: CodeType) -> Iterator[ChangedName]:
    """Yield the outer variables changed by the code of a function and of its inner functions.

    >>> def count(word):
    ...     global total
    ...     total += 1
    ...     words.append(word)
    >>> [(change.name, change.method) for change in changes_in(count.__code__)]
    [('total', ''), ('words', 'append')]
    """
    yield from _changes(code, frozenset(code.co_freevars))


def _changes(code: CodeType, outer: frozenset[str]) -> Iterator[ChangedName]:
    """Args: outer: free variables of the whole function."""
    for line, group in _by_line(code):
        loads = [name for kind, name in group if kind in ("global", "free", "local")]
        is_in_place = ("in place", "") in group
        first_kind, first = next(
            ((kind, name) for kind, name in group if kind in ("global", "free", "local")), ("", "")
        )
        for place, (kind, name) in enumerate(group):
            before_kind, before = group[place - 1] if place else ("", "")
            if kind == "method" and name in _CHANGING and _is_outer(before_kind, before, outer):
                yield ChangedName(name=before, line=line, method=name)
            elif kind in ("store global", "store free") and is_in_place and name in loads:
                if kind == "store global" or name in outer:
                    yield ChangedName(name=name, line=line)
            elif kind == "store element" and is_in_place and _is_outer(first_kind, first, outer):
                yield ChangedName(name=first, line=line, is_element=True)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _changes(constant, outer)


def _is_outer(kind: str, name: str, outer: frozenset[str]) -> bool:
    return kind == "global" or (kind == "free" and name in outer)


def _by_line(code: CodeType) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yield the relevant instructions of each line as pairs of kind and name."""
    lines = [(start, end, line) for start, end, line in code.co_lines() if line is not None]
    group: list[tuple[str, str]] = []
    current, index = -1, 0
    for offset, operation, argument in instructions(code):
        while index < len(lines) and offset >= lines[index][1]:
            index += 1
        line = lines[index][2] if index < len(lines) and offset >= lines[index][0] else current
        if line != current:
            if group:
                yield current, group
            current, group = line, []
        found = _meaning(code, opname[operation], argument)
        if found is not None:
            group.append(found)
    if group:
        yield current, group


def _meaning(code: CodeType, kind: str, argument: int) -> tuple[str, str] | None:
    if kind == "LOAD_GLOBAL":
        return "global", code.co_names[argument >> HAS_PACKED_GLOBALS]
    if kind == "LOAD_DEREF":
        return "free", cell_name(code, argument)
    if kind == "STORE_GLOBAL":
        return "store global", code.co_names[argument]
    if kind == "STORE_DEREF":
        return "store free", cell_name(code, argument)
    if kind == "LOAD_METHOD":
        return "method", code.co_names[argument]
    if kind == "LOAD_ATTR":
        if HAS_PACKED_METHODS and argument & 1:
            return "method", code.co_names[argument >> 1]
        return "attribute", ""
    if kind.startswith("LOAD_FAST"):
        return "local", ""
    if kind == "STORE_SUBSCR":
        return "store element", ""
    if kind.startswith("INPLACE_") or (kind == "BINARY_OP" and argument >= _FIRST_IN_PLACE):
        return "in place", ""
    return None
