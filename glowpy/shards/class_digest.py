"""A digest of a class's definition: the same in each process that has run the same code.

The digest covers the names of bases and attributes, the code of functions with their defaults and
closures, and plain values. Of other objects, only the type counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import Enum
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

_PLAIN = (int, float, complex, str, bytes, type(None), type(...))
# Made by Python for each class, or at its first use, or in no fixed order.
_PASSED_OVER = {
    *("__dict__", "__weakref__", "__module__", "__qualname__", "__doc__", "_abc_impl"),
    *("__abstractmethods__", "__static_attributes__", "__annotations__", "__annotate_func__"),
    *("__annotations_cache__", "__parameters__", "__slotnames__", "_value2member_map_"),
    "__hash__",  # attrs writes a number that differs per process into the code
}
_WRAPPED = ("__func__", "fget", "fset", "fdel", "func", "__wrapped__")  # of methods and properties


def digest_of(kind: type) -> str:
    """Return the digest of a class, as text."""
    shape = [_name_of(base) for base in kind.__bases__], _name_of(type(kind)), _attributes(kind)
    return hashlib.sha256(repr(shape).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _attributes(kind: type) -> Any:
    seen = {id(kind)}
    members = dict(_members(kind))
    return [(name, _shape(members[name], seen)) for name in sorted(members)]


def _members(kind: type) -> Iterable[tuple[str, Any]]:
    for name, value in vars(kind).items():
        if name not in _PASSED_OVER:
            yield name, value


def _shape(value: Any, seen: set[int]) -> Any:
    """Return the relevant content of a value, as text, numbers, tuples and lists."""
    kind = type(value)
    if kind in _PLAIN or kind is bool:
        return kind.__name__, value
    if issubclass(kind, type):
        return "class", _name_of(value)
    if id(value) in seen:
        return "again"
    seen.add(id(value))
    if kind is tuple or kind is list:
        return kind.__name__, [_shape(each, seen) for each in value]
    if kind is set or kind is frozenset:
        return kind.__name__, sorted(repr(_shape(each, seen)) for each in value)
    if kind is dict:
        return kind.__name__, [(_shape(k, seen), _shape(v, seen)) for k, v in value.items()]
    if kind is FunctionType:
        cells = [_cell(cell, seen) for cell in value.__closure__ or ()]
        defaults = _shape(value.__defaults__, seen), _shape(value.__kwdefaults__, seen)
        return "function", value.__qualname__, _code(value.__code__), defaults, cells
    if kind is BuiltinFunctionType or kind is ModuleType:
        return kind.__name__, value.__name__
    if issubclass(kind, Enum):
        return "member", _shape(value._value_, seen)
    wrapped = [(name, _shape(_part(value, name), seen)) for name in _WRAPPED]
    return "object", _name_of(kind), [each for each in wrapped if each[1] != ("NoneType", None)]


def _part(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001  # raised by a proxy outside its context, for example
        return None


def _cell(cell: CellType, seen: set[int]) -> Any:
    try:
        return _shape(cell.cell_contents, seen)
    except ValueError:  # an unassigned variable
        return "empty"


def _code(code: CodeType) -> Any:
    constants = [
        _code(each) if isinstance(each, CodeType) else _shape(each, set())
        for each in code.co_consts
    ]
    return (
        *(code.co_name, code.co_firstlineno, code.co_flags, code.co_code),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        *(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, constants),
    )


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
