"""The text of a value, equal in two processes for equal values.

Numbers, text, dates, enums, arrays and containers of these are written in full, sets and dicts in a
fixed order. Other objects are written as their type. No code of the user runs.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import re
import types
from collections.abc import Callable, Container, Mapping
from itertools import chain
from typing import Any, TypeAlias

MAX_BYTES = 1 << 20  # of one value; larger values are written as type and length
_LEAST_BYTES = 3  # of an element, with the comma
MAX_DEPTH = 20
_SHOWN_ARRAY_BYTES = 64
MAX_PARTS = 100_000  # limit for all values of a run that are written element by element

Attributes: TypeAlias = Callable[[Any], "Mapping[str, Any] | None"]
"""The attributes that make up an object's value; None: only the type counts."""

_NUMBERS = frozenset((int, float, complex, bool, type(None)))
_PLAIN = _NUMBERS | {str}
_BY_REPR = frozenset(
    (
        *("range", "slice", "ellipsis", "NotImplementedType"),
        *("datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta"),
        *("datetime.timezone", "zoneinfo.ZoneInfo", "decimal.Decimal", "fractions.Fraction"),
        *("uuid.UUID", "ipaddress.IPv4Address", "ipaddress.IPv6Address"),
        *("ipaddress.IPv4Network", "ipaddress.IPv6Network"),
    )
)
_BY_REDUCE = frozenset(("operator.itemgetter", "operator.attrgetter", "operator.methodcaller"))
_BY_PART = {  # standard-library objects whose value is one attribute
    "collections.ChainMap": "maps",
    "collections.UserDict": "data",
    "collections.UserList": "data",
    "collections.UserString": "data",
    "configparser.RawConfigParser": "_sections",
    "string.Template": "template",
    "_struct.Struct": "format",
}
_PATHS = frozenset(f"pathlib.{pure}{name}Path" for pure in ("", "Pure") for name in ("", "Posix"))
_OUR_FLAG = re.compile(r"(?:^|[\s'\"])--?glow\b")
_ENVIRONMENT = "<environment variables>"  # a task's variables differ from the driver's
_COMMAND_LINE = "<a command line>"  # a task has other glowpy flags than the driver


class _TooLarge(Exception):
    """A value has more than `MAX_BYTES`."""


def type_name(kind: type) -> str:
    """Return the name of a class, with its module except for `builtins`."""
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


class ValueText:
    """Writes the values of one run.

    Args:
        attributes: returns the attributes that make up an object's value.
        callable_text: returns the text of a function or class; None for other objects.
        own: maps a text to the driver's text, where paths differ.
    """

    def __init__(
        self,
        attributes: Attributes,
        callable_text: Callable[[Any], str | None],
        own: Callable[[str], str],
    ) -> None:
        self._attributes = attributes
        self._callable_text = callable_text
        self._own = own
        self._parts_left = MAX_PARTS
        self._bytes_left = 0
        self._open: set[int] = set()  # the objects around the current one

    def of(self, value: Any) -> str:
        """Return the text of a value; for a large value its type and length."""
        self._bytes_left = MAX_BYTES
        self._open.clear()
        try:
            return self._own(self._text(value, 0))
        except (_TooLarge, RecursionError):
            return _by_length(value)
        except Exception:  # noqa: BLE001  # an unreadable object is written as its type
            return f"<{type_name(type(value))}>"

    def _text(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind in _NUMBERS:
            return self._spend(_number(value))
        self._parts_left -= 1
        if self._parts_left < 0:
            raise _TooLarge
        if issubclass(kind, (str, bytes, bytearray)) and not issubclass(kind, enum.Enum):
            return self._string(kind, value)
        if depth > MAX_DEPTH:
            return f"<{type_name(kind)}>"
        if id(value) in self._open:
            return "..."
        self._open.add(id(value))
        try:
            return self._compound(kind, value, depth + 1)
        finally:
            self._open.discard(id(value))

    def _compound(self, kind: type, value: Any, depth: int) -> str:
        name = type_name(kind)
        text = self._callable_text(value)
        if text is None:
            text = _atom(kind, name, value)
        if text is not None:
            return self._spend(text)
        if issubclass(kind, (tuple, list)):
            return self._sequence(kind, value, depth)
        if issubclass(kind, (set, frozenset)):
            base = set if issubclass(kind, set) else frozenset
            parts = sorted(self._own(self._text(part, depth)) for part in base.__iter__(value))
            text = f"{{{', '.join(parts)}}}"
            return text if kind is set else f"{name}({text})"
        if issubclass(kind, (dict, types.MappingProxyType)):
            return self._dict(kind, value, depth)
        if issubclass(kind, functools.partial):
            return f"partial{self._text((value.func, value.args, value.keywords), depth)}"
        if issubclass(kind, (types.MethodType, types.BuiltinMethodType)):
            return f"{value.__name__} of {self._text(value.__self__, depth)}"
        if name in _BY_REDUCE:
            function, arguments = value.__reduce__()[:2]
            if issubclass(type(function), functools.partial):  # the object has keyword arguments
                arguments = (*function.args, function.keywords)
            return f"{name}{self._text(arguments, depth)}"
        if name == "re.Pattern":
            return f"re.compile{self._text((value.pattern, value.flags), depth)}"
        if name in ("collections.deque", "array.array"):
            return f"{name}({self._text(list(value), depth)})"
        if name.startswith("numpy."):
            return self._array(name, value, depth)
        attributes = self._attributes(value)
        known = _base_in(_BY_PART, kind)
        if known is not None:
            held = object.__getattribute__(value, _BY_PART[type_name(known)])
            return f"{name}({self._text((held, dict(attributes or {})), depth)})"
        if attributes is None:
            return f"<{name}>"
        pairs = [f"{each}={self._text(attributes[each], depth)}" for each in sorted(attributes)]
        return f"{name}({', '.join(pairs)})"

    def _string(self, kind: type, value: Any) -> str:
        if len(value) > self._bytes_left:
            raise _TooLarge
        if issubclass(kind, str):
            text = str.__repr__(value)
            if _OUR_FLAG.search(text):
                return _COMMAND_LINE
        else:
            text = repr(bytes(value))
        return self._spend(text if kind in (str, bytes) else f"{type_name(kind)}({text})")

    def _sequence(self, kind: type, value: Any, depth: int) -> str:
        parts = list(tuple.__iter__(value) if issubclass(kind, tuple) else list.__iter__(value))
        text = self._plain(parts)
        if text is None:
            text = f"[{', '.join([self._text(part, depth) for part in parts])}]"
        if _OUR_FLAG.search(text, 0, 10_000):
            return _COMMAND_LINE
        if kind is list:
            return text
        inner = text[1:-1] + ("," if len(parts) == 1 else "")
        return f"({inner})" if kind is tuple else f"{type_name(kind)}({inner})"

    def _plain(self, parts: list[Any]) -> str | None:
        """Return the text of numbers and strings, or of tuples of these, in one step."""
        if len(parts) * _LEAST_BYTES > MAX_BYTES:
            raise _TooLarge
        flat, kinds = parts, set(map(type, parts))
        if kinds == {tuple}:
            flat = list(chain.from_iterable(parts))
            kinds = set(map(type, flat))
        if not kinds <= _PLAIN:
            return None
        if str in kinds and sum(len(part) for part in flat if type(part) is str) > MAX_BYTES:
            raise _TooLarge
        try:
            return self._spend(repr(parts))
        except ValueError:  # a number with more digits than Python writes
            return None

    def _dict(self, kind: type, value: Any, depth: int) -> str:
        if len(value) * _LEAST_BYTES > MAX_BYTES:
            raise _TooLarge
        pairs = list(dict.items(value) if issubclass(kind, dict) else value.items())
        kinds = {type(key) for key, _ in pairs}, {type(each) for _, each in pairs}
        if kinds == ({str}, {str}) and len(pairs) > 2 and "PATH" in value:
            return _ENVIRONMENT
        if kinds[0] in ({int}, {str}) and kinds[1] <= _PLAIN:
            strings = (part for pair in pairs for part in pair if type(part) is str)
            if sum(map(len, strings)) > MAX_BYTES:
                raise _TooLarge
            text = self._spend(str(dict(sorted(pairs, key=_first))))
        else:
            texts = [
                f"{self._own(self._text(key, depth))}: {self._text(each, depth)}"
                for key, each in pairs
            ]
            text = f"{{{', '.join(sorted(texts))}}}"
        return text if kind is dict else f"{type_name(kind)}({text})"

    def _array(self, name: str, value: Any, depth: int) -> str:
        dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
        if dtype is None or shape is None or not hasattr(value, "tobytes"):
            return f"<{name}>"
        if value.nbytes > self._bytes_left:
            raise _TooLarge
        if dtype.hasobject or dtype.names:  # padding between fields is random
            return f"{name}({self._text(value.tolist(), depth)})"
        self._bytes_left -= value.nbytes
        data = value.tobytes()
        if len(data) <= _SHOWN_ARRAY_BYTES:
            return f"{name}({value.tolist()!r}, {dtype.str})"
        digest = hashlib.blake2b(data, digest_size=8).hexdigest()
        return f"{name}(shape {shape}, {dtype.str}, digest {digest})"

    def _spend(self, text: str) -> str:
        self._bytes_left -= len(text)
        if self._bytes_left < 0:
            raise _TooLarge
        return text


def _first(item: tuple[Any, Any]) -> Any:
    return item[0]


def _atom(kind: type, name: str, value: Any) -> str | None:
    """Return the text of an object without parts; None for other objects."""
    if issubclass(kind, enum.Enum):
        # Before Python 3.11, a combination of flags has no name.
        return f"{name}.{value._name_ or _number(value._value_)}"
    known: Any = _base_in(_BY_REPR, kind)
    if known is not None:
        text: str = known.__repr__(value)  # not the repr of a user's class
        return text if known is kind else f"{name}({text})"
    if issubclass(kind, int):
        return f"{name}({_number(int(value))})"
    if issubclass(kind, float) and not name.startswith("numpy."):
        return f"{name}({float.__repr__(value)})"
    if name in _PATHS:
        return f"Path({str(value)!r})"
    if issubclass(kind, types.ModuleType):
        return f"<module {value.__name__}>"
    if any(base.__module__ == "_io" for base in kind.__mro__):
        return "<a stream>"  # a task's standard streams are replaced
    if any(type_name(base) == "os._Environ" for base in kind.__mro__):
        return _ENVIRONMENT
    return None


def _base_in(names: Container[str], kind: type) -> type | None:
    """Return the first class among a class and its bases with one of these names."""
    return next((base for base in kind.__mro__ if type_name(base) in names), None)


def _number(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a number with more digits than Python writes
        return hex(value)


def _by_length(value: Any) -> str:
    kind = type(value)
    for base in (str, bytes, bytearray, list, tuple, dict, set, frozenset):
        if issubclass(kind, base):
            return f"<{type_name(kind)} of {base.__len__(value)}>"
    return f"<large {type_name(kind)} {getattr(value, 'shape', '')}>"
