"""A value as text that is equal in two processes if the values are.

Numbers, text, dates, enums, arrays and containers of these are written in full, sets and dicts in
one order. Other objects count by their type. No code of the user's is called.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import re
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

MAX_BYTES = 1 << 20  # of one value; a larger one counts by type and length
MAX_DEPTH = 20
_SHOWN_ARRAY_BYTES = 64
MAX_PARTS = 100_000  # of all values of a run that are written part by part

Attributes: TypeAlias = Callable[[Any], "Mapping[str, Any] | None"]
"""The attributes of an object that are its value; None: the object counts by its type."""

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
_PATHS = frozenset(f"pathlib.{pure}{name}Path" for pure in ("", "Pure") for name in ("", "Posix"))
_OUR_FLAG = re.compile(r"(?:^|[\s'\"])--?glow\b")
_COMMAND_LINE = "<a command line>"  # a task has other flags of ours than the driver


class _TooLarge(Exception):
    """A value has more than `MAX_BYTES`."""


def type_name(kind: type) -> str:
    """The name of a class, with its module unless that is `builtins`."""
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


class ValueText:
    """Writes the values of one run.

    Args:
        attributes: of an object, those that are its value.
        callable_text: the text of a function or class; None for other objects.
        own: maps a text to the text that the driver has, where paths differ.
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
        """The text of a value; of a large one its type and length."""
        self._bytes_left = MAX_BYTES
        self._open.clear()
        try:
            return self._own(self._text(value, 0))
        except (_TooLarge, RecursionError):
            return _by_length(value)

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
            return f"{name}{self._text(value.__reduce__()[1], depth)}"
        if name == "re.Pattern":
            return f"re.compile{self._text((value.pattern, value.flags), depth)}"
        if name in ("collections.deque", "array.array"):
            return f"{name}({self._text(list(value), depth)})"
        if kind.__module__.partition(".")[0] == "numpy":
            return self._array(name, value, depth)
        attributes = self._attributes(value)
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
        if len(parts) > MAX_BYTES:
            raise _TooLarge
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
        """The text of numbers and strings, written at once."""
        kinds = set(map(type, parts))
        if not kinds <= _PLAIN:
            return None
        if str in kinds and sum(len(part) for part in parts if type(part) is str) > MAX_BYTES:
            raise _TooLarge
        try:
            return self._spend(repr(parts))
        except ValueError:  # a number of more digits than Python writes
            return None

    def _dict(self, kind: type, value: Any, depth: int) -> str:
        if len(value) > MAX_BYTES:
            raise _TooLarge
        items = list(dict.items(value) if issubclass(kind, dict) else value.items())
        if _is_environment(items):
            return "<environment variables>"
        text = self._plain_dict(items)
        if text is None:
            pairs = [
                f"{self._own(self._text(key, depth))}: {self._text(each, depth)}"
                for key, each in items
            ]
            text = f"{{{', '.join(sorted(pairs))}}}"
        return text if kind is dict else f"{type_name(kind)}({text})"

    def _plain_dict(self, items: list[tuple[Any, Any]]) -> str | None:
        """The text of a dict of numbers and strings, written at once."""
        kinds = {type(part) for item in items for part in item}
        key_kinds = {type(key) for key, _ in items}
        if not kinds <= _PLAIN or len(key_kinds) > 1 or not key_kinds <= {int, str}:
            return None
        if self._plain([part for item in items for part in item]) is None:
            return None
        return repr(dict(sorted(items, key=_first)))

    def _array(self, name: str, value: Any, depth: int) -> str:
        dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
        if dtype is None or shape is None or not hasattr(value, "tobytes"):
            return f"<{name}>"
        if value.nbytes > self._bytes_left:
            raise _TooLarge
        if dtype.hasobject or dtype.names:  # bytes between the fields are those of chance
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
    """The text of an object without parts; None for others."""
    if issubclass(kind, enum.Enum):
        return f"{name}.{value._name_}"
    if name in _BY_REPR:
        return repr(value)
    if issubclass(kind, int):
        return f"{name}({_number(int(value))})"
    if issubclass(kind, float) and not name.startswith("numpy."):
        return f"{name}({float.__repr__(value)})"
    if name in _PATHS:
        return f"Path({str(value)!r})"
    if issubclass(kind, types.ModuleType):
        return f"<module {value.__name__}>"
    if any(base.__module__ == "_io" for base in kind.__mro__):
        return "<a stream>"  # a task has streams of ours in place of the standard ones
    return None


def _number(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a number of more digits than Python writes
        return hex(value)


def _is_environment(items: list[tuple[Any, Any]]) -> bool:
    """Is this a copy of `os.environ`? A task has variables of its own."""
    if len(items) < 3 or not any(key == "PATH" for key, _ in items if type(key) is str):
        return False
    return all(type(key) is str and type(value) is str for key, value in items)


def _by_length(value: Any) -> str:
    kind = type(value)
    for base in (str, bytes, bytearray, list, tuple, dict, set, frozenset):
        if issubclass(kind, base):
            return f"<{type_name(kind)} of {base.__len__(value)}>"
    shape = getattr(value, "shape", "") if kind.__module__.startswith("numpy") else ""
    return f"<large {type_name(kind)} {shape}>"
