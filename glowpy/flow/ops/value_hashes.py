"""Unsalted hashes for values of Python's own types, and of numpy's and pandas' types.

Equal values with one builtin hash are the same dict key for Python, and have one hash here.
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
FACTOR = 0x0C7D3A6B5E2F9143  # spreads the hashes of fractions, whose low digits are alike
_NAN = 0x6E616E  # of NaN and other missing values
# Tags, so that values of different kinds have different hashes.
SET, _RANGE, _DATE, _MOMENT, _TIME, _SPAN, _ZONE, _UUID, _ENUM = range(1, 10)
_MOST_DIGITS = 10_000
_MICROSECONDS = 1_000_000
_DAY_SECONDS = 86_400


def value_rule(kind: type) -> Rule | None:
    """Return the hash function for a type; None for classes of users and of other libraries."""
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
    """Return the hash of a number, or of an object that may equal a number.

    An integer up to 2**61 is its own hash. Python's hash of any other number follows from its value
    alone.
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


def as_number(key: Row) -> int | float | None:
    """Return the int or float equal to a key, or None."""
    number = number_hash(key)
    if _is_equal(key, number):
        return number
    for make in (int, float):
        try:
            if make is int and getattr(key, "adjusted", int)() > _MOST_DIGITS:
                return None  # a Decimal beyond any plausible integer key
            made: int | float = make(getattr(key, "real", key))  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001
            continue  # not a number, or out of range
        if _is_equal(key, made):
            return made
    return None


def _is_equal(key: Row, other: object) -> bool | None:
    """Compare; None if the key's class raises."""
    try:
        return bool(key == other)
    except Exception:  # noqa: BLE001
        # Classes of users may expect objects of their own. pandas.NA is neither equal nor unequal.
        return None


def numpy_number_hash(key: Any) -> int:
    """Return the hash of a numpy number by Python's number, which compares without warnings."""
    return number_hash(key.item())


def text_hash(key: str) -> int:
    """Return the CRC-32 of a text's UTF-8, surrogates included."""
    return crc32(str.encode(key, "utf-8", "surrogatepass"))


def _by_text(key: Row) -> int:
    return text_hash(str(key))


def _range(key: range) -> int:
    ends = (key[0], key[-1]) if key else ()
    return hash((_RANGE, len(key), *map(number_hash, ends)))


def _enum_member(key: Any) -> int:
    # Combined flags have no name before Python 3.11.
    is_flag = isinstance(key, sys.modules["enum"].Flag)
    name = str(key._value_) if is_flag else key._name_
    return hash((_ENUM, text_hash(type(key).__qualname__), text_hash(name)))


def date_hash(key: Any) -> int:
    """Return the hash of a date."""
    return hash((_DATE, key.toordinal()))


def _moment(key: Any) -> int:
    """Hash a datetime: with a zone by its UTC, without a zone by its fields."""
    seconds = (key.hour * 60 + key.minute) * 60 + key.second
    days, seconds, microseconds = key.toordinal(), seconds, key.microsecond
    offset = key.replace(fold=0).utcoffset()
    if offset is not None:
        total = (days * _DAY_SECONDS + seconds) * _MICROSECONDS + microseconds - span_of(offset)
        total, microseconds = divmod(total, _MICROSECONDS)
        days, seconds = divmod(total, _DAY_SECONDS)
    return hash((_MOMENT, days, seconds, microseconds))


def _time(key: Any) -> int:
    total = ((key.hour * 60 + key.minute) * 60 + key.second) * _MICROSECONDS + key.microsecond
    offset = key.replace(fold=0).utcoffset()
    return hash((_TIME, total if offset is None else total - span_of(offset)))


def span_hash(key: Any) -> int:
    """Return the hash of a timedelta of `datetime`, pandas or numpy."""
    number = microseconds_of(key)
    return _NAN if number is None else hash((_SPAN, number))


def microseconds_of(key: Any) -> Any:
    """Return a timedelta of `datetime`, pandas or numpy in microseconds; None for NaT."""
    nanoseconds = _nanoseconds_of(key)
    if nanoseconds is not None:
        from fractions import Fraction  # loaded by pandas and numpy

        return Fraction(nanoseconds, 1000)
    if hasattr(key, "astype"):
        key = key.astype("timedelta64[us]").item()
    return key if isinstance(key, int) or key is None else span_of(key)


def _nanoseconds_of(key: Any) -> int | None:
    """Return the nanoseconds of a pandas or numpy object; None for whole microseconds."""
    if hasattr(key, "astype"):
        exact = key.astype(f"{type(key).__name__}[ns]")
        number = int(exact.astype("int64"))
        return number if exact == key and number % 1000 else None
    is_finer = getattr(key, "nanosecond", 0) or getattr(key, "nanoseconds", 0)
    return int(key.value) if is_finer else None


def span_of(key: Any) -> int:
    """Return a `timedelta` in microseconds."""
    total: int = (key.days * _DAY_SECONDS + key.seconds) * _MICROSECONDS + key.microseconds
    return total


def _zone(key: Any) -> int:
    return hash((_ZONE, span_of(key.utcoffset(None))))


def _uuid(key: Any) -> int:
    return hash((_UUID, key.int))


def _path(key: Any) -> int:
    return text_hash(str(key).lower())  # on Windows, paths that differ only in case are equal


def _moment_of_library(key: Any) -> int:
    """Hash a timestamp of pandas or numpy as the equal `datetime`, if one exists."""
    nanoseconds = _nanoseconds_of(key)
    if nanoseconds is not None:
        return hash((_MOMENT, nanoseconds))
    if hasattr(key, "astype"):
        key = key.astype("datetime64[us]").item()
    if key is None:  # NaT
        return _NAN
    return hash((_MOMENT, key)) if isinstance(key, int) else _moment(key)


def _numpy_rules(kind: type, numpy: Any) -> Iterator[Rule]:
    if issubclass(kind, (numpy.number, numpy.bool_)) and not issubclass(kind, numpy.timedelta64):
        yield numpy_number_hash
    elif issubclass(kind, str):
        yield text_hash
    elif issubclass(kind, bytes):
        yield crc32
    elif issubclass(kind, numpy.datetime64):
        yield _moment_of_library
    elif issubclass(kind, numpy.timedelta64):
        yield span_hash


_BUILTIN: dict[object, Rule] = {
    int.__hash__: number_hash,
    float.__hash__: number_hash,
    complex.__hash__: number_hash,
    str.__hash__: text_hash,
    bytes.__hash__: crc32,
    range.__hash__: _range,
}
# Looked up by the class's module; unless it is loaded, no such object exists.
_OF_LIBRARIES: tuple[tuple[str, str, Rule], ...] = (
    ("datetime", "date", date_hash),
    ("datetime", "datetime", _moment),
    ("datetime", "time", _time),
    ("datetime", "timedelta", span_hash),
    ("datetime", "timezone", _zone),
    ("decimal", "Decimal", number_hash),
    ("fractions", "Fraction", number_hash),
    ("enum", "Enum", _enum_member),
    ("uuid", "UUID", _uuid),
    ("pathlib", "PurePath", _path),
    ("pandas", "Timestamp", _moment_of_library),
    ("pandas", "Timedelta", span_hash),
)
