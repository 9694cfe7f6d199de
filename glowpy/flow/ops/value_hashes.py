"""Hashes of values of Python's own types, and of numpy's and pandas', that no process salts.

Values that are equal and have one builtin hash, so that Python takes them for one dict key, have
one hash here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from zlib import crc32

from glowpy.errors import unhashable
from glowpy.flow.ops.kernel import Row

Rule: TypeAlias = Callable[[Row], int]

PRIME = sys.hash_info.modulus  # 2**61 - 1; numeric hashes are remainders of it
FACTOR = 0x0C7D3A6B5E2F9143  # numeric hashes of fractions end alike; multiplied by this they do not
_NAN = 0x6E616E  # of each value that is not equal to itself
# Tags, so that values of one kind do not share the hashes of another.
SET, _RANGE, _DATE, _MOMENT, _TIME, _SPAN, _ZONE, _UUID, _ENUM = range(1, 10)
_MICROSECONDS = 1_000_000
_DAY_SECONDS = 86_400


def value_rule(kind: type) -> Rule | None:
    """What hashes objects of a type; None for the classes of users and of other libraries."""
    own: Any = kind.__hash__
    if own in _BUILTIN:
        return _BUILTIN[own]
    for module, name, rule in _OF_LIBRARIES:
        found = getattr(sys.modules.get(module), name, None)
        if found is not None and own is found.__hash__:
            return rule
    if getattr(own, "__module__", None) == "ipaddress":
        return _by_text
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, getattr(numpy, "generic", ())):
        return next(_numpy_rules(kind, numpy), None)
    return None


def number_hash(key: Row) -> int:
    """The hash of a number, or of an object that may be equal to one.

    An integer is its own hash, short of numbers beyond 2**61. Python's hash of any other number
    follows from its value alone.
    """
    try:
        number = hash(key)
    except TypeError as exc:
        raise unhashable("key", key, exc) from exc
    if number == -2 and _is_equal(key, -1):
        return -1
    if _is_equal(key, number):
        return number
    return number * FACTOR % PRIME if _is_equal(key, key) is not False else _NAN


def _is_equal(key: Row, other: object) -> bool | None:
    """None: the key's class cannot say."""
    try:
        return bool(key == other)
    except Exception:  # noqa: BLE001
        # Classes of users expect their like. pandas.NA is neither equal nor unequal.
        return None


def text_hash(key: str) -> int:
    """CRC-32 of a text's UTF-8, surrogates included."""
    return crc32(str.encode(key, "utf-8", "surrogatepass"))


def _by_text(key: Row) -> int:
    return text_hash(str(key))


def _range(key: range) -> int:
    ends = (key[0], key[-1]) if key else ()
    return hash((_RANGE, len(key), *map(number_hash, ends)))


def _enum_member(key: Any) -> int:
    # Flags that are put together have no name before Python 3.11.
    is_flag = isinstance(key, sys.modules["enum"].Flag)
    name = str(key._value_) if is_flag else key._name_
    return hash((_ENUM, text_hash(type(key).__qualname__), text_hash(name)))


def _date(key: Any) -> int:
    return hash((_DATE, key.toordinal()))


def _moment(key: Any) -> int:
    """Moments of equal UTC are equal; those without a zone only if they are alike."""
    seconds = (key.hour * 60 + key.minute) * 60 + key.second
    days, seconds, microseconds = key.toordinal(), seconds, key.microsecond
    offset = key.replace(fold=0).utcoffset()
    if offset is not None:
        total = (days * _DAY_SECONDS + seconds) * _MICROSECONDS + microseconds - _span_of(offset)
        total, microseconds = divmod(total, _MICROSECONDS)
        days, seconds = divmod(total, _DAY_SECONDS)
    return hash((_MOMENT, days, seconds, microseconds))


def _time(key: Any) -> int:
    total = ((key.hour * 60 + key.minute) * 60 + key.second) * _MICROSECONDS + key.microsecond
    offset = key.replace(fold=0).utcoffset()
    return hash((_TIME, total if offset is None else total - _span_of(offset)))


def _span(key: Any) -> int:
    return hash((_SPAN, _span_of(key)))


def _span_of(key: Any) -> int:
    total: int = (key.days * _DAY_SECONDS + key.seconds) * _MICROSECONDS + key.microseconds
    return total


def _zone(key: Any) -> int:
    return hash((_ZONE, _span_of(key.utcoffset(None))))


def _uuid(key: Any) -> int:
    return hash((_UUID, key.int))


def _path(key: Any) -> int:
    return text_hash(str(key).lower())  # on Windows, paths that differ in case only are equal


def _pandas_moment(key: Any) -> int:
    return _moment(key) if not key.nanosecond else hash((_MOMENT, key.value))


def _pandas_span(key: Any) -> int:
    return _span(key) if not key.nanoseconds else hash((_SPAN, key.value))


def _numpy_rules(kind: type, numpy: Any) -> Iterator[Rule]:
    if issubclass(kind, (numpy.number, numpy.bool_)) and not issubclass(kind, numpy.timedelta64):
        yield number_hash
    elif issubclass(kind, str):
        yield text_hash
    elif issubclass(kind, bytes):
        yield crc32
    elif issubclass(kind, numpy.datetime64):
        yield lambda key: _by_item(key.astype("datetime64[us]"), _moment)
    elif issubclass(kind, numpy.timedelta64):
        yield lambda key: _by_item(key.astype("timedelta64[us]"), _span)


def _by_item(key: Any, rule: Rule) -> int:
    """By the object of `datetime` that it is equal to; if there is none, by its number."""
    item = key.item()
    if item is None:  # NaT
        return _NAN
    return hash((_MOMENT, item)) if isinstance(item, int) else rule(item)


_BUILTIN: dict[object, Rule] = {
    int.__hash__: number_hash,
    float.__hash__: number_hash,
    complex.__hash__: number_hash,
    str.__hash__: text_hash,
    bytes.__hash__: crc32,
    range.__hash__: _range,
}
# By the module that has the class; where it is not loaded, there is no such object.
_OF_LIBRARIES: tuple[tuple[str, str, Rule], ...] = (
    ("datetime", "date", _date),
    ("datetime", "datetime", _moment),
    ("datetime", "time", _time),
    ("datetime", "timedelta", _span),
    ("datetime", "timezone", _zone),
    ("decimal", "Decimal", number_hash),
    ("fractions", "Fraction", number_hash),
    ("enum", "Enum", _enum_member),
    ("uuid", "UUID", _uuid),
    ("pathlib", "PurePath", _path),
    ("pandas", "Timestamp", _pandas_moment),
    ("pandas", "Timedelta", _pandas_span),
)
