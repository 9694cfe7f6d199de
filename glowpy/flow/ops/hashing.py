"""partition_hash: which part of a scattered dataset a key belongs to.

Equal keys must meet, in every executor of a run and in every attempt. All executors of a run share
one PYTHONHASHSEED, so the builtin `hash` serves wherever it depends on nothing else. It does
depend on memory addresses for NaN and, before Python 3.12, for None, and so for everything that
contains them; those are hashed here. The driver never hashes to find a place.
"""

from __future__ import annotations

import dataclasses
import datetime
from enum import Enum

from glowpy.errors import RowError, shown
from glowpy.flow.ops.kernel import Batch, Row

_NONE_HASH = 0x6E6F6E65
_NAN_HASH = 0x6E616E
# Types whose builtin hash is a function of the value and the seed alone. NaN is no value here.
_SAFE = {int, str, bytes, bool, datetime.date, datetime.timedelta}
# Fibonacci hashing: without it, keys that share a divisor with the number of parts pile up.
_SPREAD = 0x9E3779B97F4A7C15
_SHIFT = 32


def parts_of(keys: Batch, part_count: int) -> list[int]:
    """The part of each key, 0 .. part_count - 1.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    if {type(key) for key in keys} <= _SAFE:
        return [(hash(key) * _SPREAD >> _SHIFT) % part_count for key in keys]
    return [(partition_hash(key) * _SPREAD >> _SHIFT) % part_count for key in keys]


def partition_hash(key: Row) -> int:
    """A hash that equal keys share in all executors of a run.

    Raises:
        RowError: the key cannot be hashed, or only by its address in memory.
    """
    kind = type(key)
    if kind in _SAFE:
        return hash(key)
    if key is None:
        return _NONE_HASH
    if kind is tuple:
        return hash(tuple([partition_hash(part) for part in key]))
    if kind is frozenset:
        return hash(frozenset([partition_hash(part) for part in key]))
    if key != key:
        return _NAN_HASH
    if isinstance(key, Enum):
        return hash(key)  # of its name, or of its value for IntEnum and StrEnum
    if isinstance(key, tuple):  # named tuples are equal to plain ones
        return partition_hash(tuple(key))
    if dataclasses.is_dataclass(key) and not _hashes_by_address(kind):
        return _dataclass_hash(key)
    return _plain_hash(key)


def _dataclass_hash(key: Row) -> int:
    _plain_hash(key)  # unhashable ones are refused in the usual words
    fields = [
        partition_hash(getattr(key, field.name))
        for field in dataclasses.fields(key)
        if (field.compare if field.hash is None else field.hash)
    ]
    return hash((type(key).__qualname__, *fields))


def _plain_hash(key: Row) -> int:
    if _hashes_by_address(type(key)):
        raise RowError(
            f"key {shown(key)} has no hash of its own: {type(key).__qualname__} objects would be "
            "told apart by their address in memory; define __eq__ and __hash__"
        )
    try:
        return hash(key)
    except TypeError as exc:
        raise RowError(f"key {shown(key)} cannot be hashed: {exc}") from exc


def _hashes_by_address(kind: type) -> bool:
    own: object = kind.__hash__
    return own is object.__hash__
