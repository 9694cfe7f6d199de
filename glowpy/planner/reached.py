"""The functions, classes, objects and names reached by one step.

Functions and classes of the program's own modules are followed through defaults, closures, globals,
methods and attributes. Attributes of an object of such a class count only if reached code names
them: methods that no task calls may use any value.
"""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import CodeType, FunctionType
from typing import Any

from glowpy.flow.ops.kernel import BatchOp, FoldOp, RowOp, TextOp
from glowpy.planner.code_names import CodeNames, stores_in

_PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None)))
_CALLABLES = (FunctionType, types.MethodType, functools.partial, type)
_BY_VALUE = (str, bytes, int, float, tuple, list, dict, set, frozenset, type, Enum)
_NAMESPACES = frozenset((("argparse", "Namespace"), ("types", "SimpleNamespace")))
_AS_TEXT = frozenset(("str", "repr", "format"))  # code with these names may call the methods below
_TEXT_METHODS = frozenset(("__str__", "__repr__", "__format__"))
_UNCALLED = frozenset(
    (
        *("__del__", "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__dir__"),
        *("__init_subclass__", "__set_name__", "__class_getitem__", "__sizeof__"),
    )
)
_CONSTRUCTORS = frozenset(("__new__", "__init__", "__post_init__"))
_OF_MODULE = frozenset(("__file__", "__spec__", "__loader__", "__cached__", "__builtins__"))
_WHOLE = frozenset(("vars", "getattr", "__dict__"))  # code with these names may read any attribute
_MOST_FOLLOWED = 1000  # larger containers are not searched for functions
_OURS = "glowpy."

MISSING: Any = types.SimpleNamespace()
"""The value of an undefined name."""


class Reached:
    """All objects reached from one step's operator.

    Args:
        is_local: True for the name of a module of the program.
        names_of: returns the names loaded by a code object.
    """

    def __init__(
        self, is_local: Callable[[str], bool], names_of: Callable[[CodeType], CodeNames]
    ) -> None:
        self._is_local = is_local
        self._names_of = names_of
        self.functions: list[FunctionType] = []
        self.classes: list[type] = []
        self._called: set[type] = set()  # classes that code may instantiate
        self.attributes: set[str] = set()
        self.objects: list[Any] = []
        self._seen: dict[int, Any] = {}

    def follow(self, operator: Any) -> None:
        """Find all objects reached from the operator of a step."""
        self._discover(operator)
        count = -1
        while count != len(self._seen):
            count = len(self._seen)
            for kind in list(self.classes):
                for _name, member in self.members(kind):
                    self._discover(member)
            for each in list(self.objects):
                for part in (self.attributes_of(each) or {}).values():
                    self._discover(part)

    def is_local_function(self, function: FunctionType) -> bool:
        return self._is_local(function.__globals__.get("__name__", "__main__"))

    def members(self, kind: type) -> Iterator[tuple[str, Any]]:
        """Yield the methods and class attributes that reached code may use, unwrapped."""
        for name, member in list(vars(kind).items()):
            if not self._may_be_called(kind, name):
                continue
            is_special = name.startswith("__") and name.endswith("__")
            of_member = type(member)  # isinstance() would run the code of a proxy
            if issubclass(of_member, (staticmethod, classmethod)):
                member = member.__func__
            elif issubclass(of_member, property):
                member = member.fget
            elif issubclass(of_member, functools.cached_property):
                member = member.func
            if of_member is types.MemberDescriptorType or _is_hash_of_attrs(name, member):
                continue
            if type(member) is FunctionType if is_special else self._is_named(name):
                yield name, member

    def _may_be_called(self, kind: type, name: str) -> bool:
        """Return False for special methods that no reached code calls, even on objects in use."""
        if name in _CONSTRUCTORS:
            return kind in self._called
        if name in _TEXT_METHODS:
            return not _AS_TEXT.isdisjoint(self.attributes)
        return name not in _UNCALLED or name in self.attributes

    def attributes_of(self, value: Any) -> Mapping[str, Any] | None:
        """Return the attributes of an object that count; None if only its type counts."""
        kind = type(value)
        if issubclass(kind, _BY_VALUE):
            return None
        fields = kind.__dict__.get("__attrs_attrs__")
        if fields is None and defines(kind, "__dataclass_fields__"):
            fields = kind.__dataclass_fields__.values()
        if fields is not None:
            return _taken(value, [field.name for field in fields])
        if (module_of(kind), kind.__qualname__) in _NAMESPACES:
            return dict(vars(value))
        if defines(kind, "__pydantic_fields__"):
            return _taken(value, list(kind.__pydantic_fields__))
        if module_of(kind).startswith(f"{_OURS}flow.ops."):
            return _taken(value, _names(value))
        if not self._is_local(module_of(kind)):
            return None
        own = _set_on_entering(kind)
        names = [name for name in _names(value) if self._is_named(name) and name not in own]
        return _taken(value, names)

    def beside_elements(self, value: Any) -> Mapping[str, Any]:
        """Return the attributes that count of a container, text or number of a program's class."""
        kind = type(value)
        if not issubclass(kind, _BY_VALUE) or issubclass(kind, (type, Enum)):
            return {}
        if not self._is_local(kind.__module__):
            return {}
        return _taken(value, [name for name in _names(value) if self._is_named(name)])

    def globals_of(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        """Yield the globals named by a function with their values; a path for local modules."""
        names = function.__globals__
        for path in self._names_of(function.__code__).global_paths:
            if path[0] in _OF_MODULE:
                continue
            value = names.get(path[0], MISSING)
            if value is MISSING and hasattr(builtins, path[0]):
                continue
            length = 1
            while (
                length < len(path)
                and issubclass(type(value), types.ModuleType)
                and self._is_local(value.__name__)
            ):
                value = vars(value).get(path[length], MISSING)
                length += 1
            yield ".".join(path[:length]), value

    def _is_named(self, name: str) -> bool:
        return name in self.attributes or not _WHOLE.isdisjoint(self.attributes)

    def _discover(self, value: Any) -> None:
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if type(each) in _PLAIN or id(each) in self._seen:
                continue
            self._seen[id(each)] = each
            # in order of definition, which is equal in driver and task
            waiting.extend(reversed(list(self._parts(each))))

    def _parts(self, value: Any) -> Iterator[Any]:
        kind = type(value)
        if kind is FunctionType:
            yield from self._parts_of_function(value)
        elif issubclass(kind, types.MethodType):
            yield value.__func__
            yield value.__self__
        elif issubclass(kind, types.BuiltinMethodType):
            if not issubclass(type(value.__self__), types.ModuleType):
                yield value.__self__
        elif issubclass(kind, functools.partial):
            yield from (value.func, *value.args, *value.keywords.values())
        elif kind is functools._lru_cache_wrapper:
            yield value.__wrapped__
        elif issubclass(kind, type):
            self._called.update(self._follow_class(value))
        elif issubclass(kind, (list, tuple, set, frozenset, dict)):
            yield from _elements(kind, value)
            yield from _taken(value, ["default_factory"]).values()
            yield from self.beside_elements(value).values()
        elif self.attributes_of(value) is not None:
            self.objects.append(value)
            self._follow_class(kind)

    def _follow_class(self, kind: type) -> list[type]:
        """Follow a class and those of its bases that belong to the program."""
        local = [each for each in kind.__mro__ if self._is_local(module_of(each))]
        self.classes += [each for each in local if each not in self.classes]
        return local

    def _parts_of_function(self, function: FunctionType) -> Iterator[Any]:
        yield function.__dict__.get("__wrapped__")
        parts = [value for _name, value in captured_by(function)]
        is_local = self.is_local_function(function)
        if not is_local and not (function.__module__ or "").startswith(_OURS):
            yield from (part for part in parts if issubclass(type(part), _CALLABLES))
            return
        self.functions.append(function)
        yield from parts
        if is_local:
            names = self._names_of(function.__code__)
            self.attributes |= names.attributes
            loaded = {path[0] for path in names.global_paths}
            self.attributes |= (_WHOLE | _AS_TEXT) & loaded
            yield from (value for _name, value in self.globals_of(function))


def module_of(kind: type) -> str:
    """Return the module name of a class; empty for Cython types, which have none before 3.11."""
    name: object = kind.__module__
    return name if isinstance(name, str) else ""


def defines(kind: type, name: str) -> bool:
    """True if a class or a base has an attribute of this name. Runs no code of the class."""
    return any(name in base.__dict__ for base in kind.__mro__)


def arguments_of(operator: Any) -> tuple[Any, ...]:
    """Return the user's arguments of a step: functions and plain values."""
    if isinstance(operator, TextOp):
        return operator.encoding, operator.errors  # the driver lists the files
    if isinstance(operator, (RowOp, FoldOp)):
        return (operator.function,)
    kernel = operator.kernel if isinstance(operator, BatchOp) else operator
    if isinstance(kernel, functools.partial):
        return (*kernel.args, *kernel.keywords.values())
    return (kernel,)


def captured_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the defaults and closure cells of a function, with the names of their variables."""
    code = function.__code__
    defaults = function.__defaults__ or ()
    first = code.co_argcount - len(defaults)
    yield from zip(code.co_varnames[first : code.co_argcount], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            yield name, MISSING


def _set_on_entering(kind: type) -> set[str]:
    """Return the attributes set by `__enter__`, before code of the `with` block reads them."""
    enter = next((b.__dict__["__enter__"] for b in kind.__mro__ if "__enter__" in b.__dict__), None)
    return stores_in(enter.__code__) if type(enter) is FunctionType else set()


def _elements(kind: type, value: Any) -> Iterator[Any]:
    if issubclass(kind, dict):
        if dict.__len__(value) <= _MOST_FOLLOWED:
            yield from dict.values(value)
    else:
        base = next(each for each in (list, tuple, set, frozenset) if issubclass(kind, each))
        if base.__len__(value) <= _MOST_FOLLOWED:
            yield from base.__iter__(value)


def _names(value: Any) -> list[str]:
    """Return the names of an object's own attributes."""
    names = list(_taken(value, ["__dict__"]).get("__dict__", ()))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return names


def _taken(value: Any, names: list[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        try:
            found[name] = object.__getattribute__(value, name)
        except AttributeError:  # not assigned yet
            continue
    return found


def _is_hash_of_attrs(name: str, member: Any) -> bool:
    """True for attrs' generated `__hash__`, whose code holds a number that differs per process."""
    if name != "__hash__":
        return False
    code = getattr(member, "__code__", None)
    return code is not None and code.co_filename.startswith("<attrs gen")
