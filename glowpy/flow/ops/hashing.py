"""partition_hash: which part of a scattered dataset a key belongs to.

Equal keys must meet, in every executor of a run and in every attempt. All executors of a run share
one PYTHONHASHSEED, so the builtin `hash` serves wherever it depends on nothing else. It does
depend on memory addresses for NaN and, before Python 3.12, for None, and so for everything that
contains them; those are replaced before hashing. The driver never hashes to find a place.
"""

from __future__ import annotations

import struct

from glowpy.errors import RowError, shown, unhashable
from glowpy.flow.ops.kernel import Batch, Row
from glowpy.flow.ops.keys import date_types

_NONE = 0x6E6F6E65  # stands for None
_NAN = 0x6E616E  # stands for every value that is not equal to itself
# Types whose builtin hash is a function of the value and the seed alone. NaN is no value here.
_SAFE = {int, str, bytes, bool}
# A number's hash is the number: keys that share a divisor with the number of parts would pile up.
# Hashing the hash's eight bytes spreads them.
_bytes_of = struct.Struct("<q").pack


def parts_of(keys: Batch, part_count: int) -> list[int]:
    """The part of each key, 0 .. part_count - 1.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    return [hash(_bytes_of(number)) % part_count for number in hashes_of(keys)]


def hashes_of(keys: Batch) -> list[int]:
    """The `partition_hash` of each key.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    return list(map(hash, _steady_keys(keys)))


def check_hashes(keys: Batch) -> None:
    """Refuse keys that another process would hash otherwise.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    _steady_keys(keys)


def _steady_keys(keys: Batch) -> Batch:
    types = set(map(type, keys))
    if types <= _SAFE or types <= _SAFE | date_types():
        return keys
    return [_steady(key) for key in keys]


def partition_hash(key: Row) -> int:
    """A hash that equal keys share in all executors of a run.

    Raises:
        RowError: the key cannot be hashed, or only by its address in memory.
    """
    return hash(_steady(key))


def _steady(key: Row) -> Row:
    """What to hash for a key: itself, unless its builtin hash may differ between processes."""
    kind = type(key)
    if kind in _SAFE:
        return key
    if key is None:
        return _NONE
    # Which hash a type uses says more than its bases: a named tuple is equal to a plain one and
    # hashed alike, a subclass with an equality of its own is not.
    own: object = kind.__hash__
    if own is tuple.__hash__:
        return tuple([_steady(part) for part in key])
    if own is frozenset.__hash__:
        return frozenset([_steady(part) for part in key])
    if own is object.__hash__:
        raise RowError(
            f"key {shown(key)} has no hash of its own: {kind.__qualname__} objects would be "
            "told apart by their address in memory; define __eq__ and __hash__"
        )
    try:
        hash(key)
    except TypeError as exc:
        raise unhashable("key", key, exc) from exc
    if key != key:
        return _NAN
    if _is_made_by_dataclass(own) and hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields  # whoever has such keys has paid for it

        hashed = [each for each in fields(key) if (each.hash is None and each.compare) or each.hash]
        return tuple([_steady(getattr(key, each.name)) for each in hashed])
    return key


def _is_made_by_dataclass(own: object) -> bool:
    """True where @dataclass has written the `__hash__`; False where the user has."""
    code = getattr(own, "__code__", None)
    return code is not None and code.co_filename == "<string>"
