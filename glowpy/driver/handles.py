"""Finds connections, files open for writing and random generators among values of this process.

Forks share a connected socket: an executor would receive the answer to another executor's question.
A copied database connection loses its writes.
"""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from types import (
    BuiltinMethodType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

from glowpy.planner.reached import defines, module_of

_OPAQUE = (ModuleType, type, FunctionType, CodeType, FrameType, GeneratorType, Enum)
_PLAIN = frozenset((int, float, complex, bool, str, bytes, bytearray, type(None)))
# Log handlers belong to the process; clients of redis and pymongo reconnect in a fork.
_LEFT_ALONE = frozenset("glowpy logging pymongo redis valkey".split())
_CONNECTION = ("cursor", "commit", "close")  # PEP 249
_CURSOR = ("execute", "fetchone", "fetchall", "close")
_CONTAINERS: tuple[Any, ...] = (list, tuple, set, frozenset, dict)
_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom, io.FileIO)
_MOST_OBJECTS = 2000  # visited for one variable
_MOST_ELEMENTS = 1000  # of a container; a longer container holds rows


def handle_or_file_in(value: Any) -> Any:
    """Return a handle held by the value, else a file open for writing, else None.

    Handles are connected sockets, database connections and cursors. Standard streams do not count.
    """
    file = None
    for each in _held_by(value):
        if is_handle(each):
            return each
        if file is None and _is_written_file(each):
            file = each
    return file


def is_generator(value: Any) -> bool:
    """Return True for a random generator made by the script, or a method of one."""
    if issubclass(type(value), (BuiltinMethodType, MethodType)):
        value = value.__self__
    kinds = {(module_of(kind).partition(".")[0], kind.__name__) for kind in type(value).__mro__}
    if ("random", "Random") in kinds:
        random: Any = sys.modules["random"]
        return value is not random._inst and ("random", "SystemRandom") not in kinds
    if not {("numpy", "Generator"), ("numpy", "RandomState")}.isdisjoint(kinds):
        numpy_random: Any = sys.modules.get("numpy.random")
        return value is not getattr(getattr(numpy_random, "mtrand", None), "_rand", None)
    return False


def _held_by(value: Any) -> Iterator[Any]:
    """Yield the value and the objects reached from it, not through modules, classes, functions."""
    waiting = [] if type(value) in _PLAIN else [value]
    seen = {id(stream) for stream in _standard_streams()}
    while waiting and len(seen) < _MOST_OBJECTS:
        each = waiting.pop()
        kind = type(each)
        if id(each) in seen or issubclass(kind, _OPAQUE):
            continue
        if module_of(kind).partition(".")[0] in _LEFT_ALONE:
            continue
        seen.add(id(each))
        yield each
        if any(issubclass(kind, c) and c.__len__(each) > _MOST_ELEMENTS for c in _CONTAINERS):
            continue
        waiting += [held for held in gc.get_referents(each) if type(held) not in _PLAIN]


def is_handle(value: Any) -> bool:
    """Return True for an open connection to something outside of the process."""
    kind = type(value)
    if any(base.__name__ == "socket" and base.__module__ == "_socket" for base in kind.__mro__):
        return _is_connected(value)
    if any(all(defines(kind, name) for name in names) for names in (_CONNECTION, _CURSOR)):
        return not _is_closed(value)
    return False


def _is_connected(socket: Any) -> bool:
    try:
        socket.getpeername()
    except OSError:  # closed, listening, or not connected yet: each executor may use its own copy
        return False
    return True


def _is_closed(connection: Any) -> bool:
    """Read the closed state from an attribute or a method; without either, return False."""
    try:
        closed = getattr(connection, "closed", False)
        is_closed = getattr(connection, "is_closed", None)
        return bool((not callable(closed) and closed) or (callable(is_closed) and is_closed()))
    except Exception:  # noqa: BLE001  # the database driver's own code may raise any exception
        return False


def _is_written_file(value: Any) -> bool:
    if not issubclass(type(value), _FILES):
        return False
    with suppress(ValueError, OSError):  # closed, or without a descriptor
        return bool(value.fileno() > 2 and value.writable())
    return False


def _standard_streams() -> list[Any]:
    return [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]
