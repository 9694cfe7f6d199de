"""Hashes of keys by value: the same in every run, process, machine and version of Python.

Keys of any type that are the same dict key for Python have the same hash. An integer is its own
hash, and so is any number equal to an integer. Other numbers have Python's numeric hash, which is
unsalted, multiplied so that its low digits vary. Text has the CRC-32 of its UTF-8. A tuple has
Python's hash of the tuple of its elements' hashes; the same holds for an object whose class is
hashed by its fields.

The exception is a class with its own `__hash__`, whose result may depend on the process.
`KeyHasher` keeps samples of such keys, so that readers in other processes can compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import ne
from zlib import crc32

from glowpy.errors import RowError, short_repr, unhashable
from glowpy.flow.ops.hashed_fields import Getter, field_getters
from glowpy.flow.ops.kernel import Batch, Row
from glowpy.flow.ops.keys import LoneKey
from glowpy.flow.ops.value_hashes import FACTOR, PRIME, SET, number_hash, text_hash, value_rule

_MOST_SAMPLES = 64
_INTS = ({int}, {int, bool}, {bool})
_PLAIN = {int, str, bytes, bool, float, type(None)}
_CONSTANTS: dict[type, int] = {
    type(None): 0x6E6F6E65,
    type(...): 0x2E2E2E,
    type(NotImplemented): 0x4E6F74,
}


def parts_of_hashes(hashes: Batch, part_count: int, seed: int) -> list[int]:
    """Return the part of each hash, 0 .. part_count - 1; integers are placed by their remainder.

    Args:
        seed: selects another distribution unless 0 (`-glow.hash.seed`).
    """
    if not seed:
        return [number % part_count for number in hashes]
    factor = (2 * seed + 1) * FACTOR % PRIME
    return [number * factor % PRIME % part_count for number in hashes]


def check_hashes(keys: Batch) -> None:
    """Refuse keys without a hash, or with a hash of their address in memory.

    Raises:
        RowError: shows the key.
    """
    if not set(map(type, keys)) <= _PLAIN:
        KeyHasher().hashes(keys)


class KeyHasher:
    """Hashes keys, with a cache of rules by type."""

    def __init__(self) -> None:
        self._rules: dict[type, Callable[[Row], int]] = {}
        self.samples: dict[object, Row] = {}
        """Keys hashed by the `__hash__` of a user's class, one for each combination of types."""

    def hashes(self, keys: Batch) -> list[int]:
        """Return the hash of each key.

        Raises:
            RowError: a key cannot be hashed, or only by its address in memory.
        """
        types = set(map(type, keys))
        if types in _INTS:
            if min(keys) > -PRIME and max(keys) < PRIME:
                return keys
        elif types == {str}:
            try:
                return list(map(crc32, map(str.encode, keys)))
            except UnicodeEncodeError:
                return list(map(text_hash, keys))
        elif types == {float}:
            if -1.0 not in keys and not any(map(ne, keys, keys)):  # and no NaN
                hashes = zip(map(hash, keys), keys, strict=True)
                return [n if n == key else n * FACTOR % PRIME for n, key in hashes]
        elif types == {tuple} and len(set(map(len, keys))) == 1:
            columns = [self.hashes(list(column)) for column in zip(*keys, strict=True)]
            if columns:
                return list(map(hash, zip(*columns, strict=True)))
        elif len(types) == 1:
            return list(map(self._rule(types.pop()), keys))
        return list(map(self.hash, keys))

    def hash(self, key: Row) -> int:
        """Return the hash of one key; raises as `hashes`."""
        return self._rule(type(key))(key)

    def _rule(self, kind: type) -> Callable[[Row], int]:
        rule = self._rules.get(kind)
        if rule is None:
            rule = self._rules[kind] = self._rule_for(kind)
        return rule

    def _rule_for(self, kind: type) -> Callable[[Row], int]:
        """Return the hash function for objects of a type.

        The rule depends on `__hash__`, not on the base classes: a named tuple equals a plain tuple
        and has the same hash; a subclass that redefines equality has not.
        """
        if kind in _CONSTANTS:
            return lambda _key: _CONSTANTS[kind]
        if kind is LoneKey:
            return lambda key: self.hash(key.value)
        own: object = kind.__hash__
        if own is tuple.__hash__:
            return self._tuple
        if own is frozenset.__hash__:
            return self._set
        if own is object.__hash__:
            return _refuse_address
        if own is None:
            return _refuse
        rule = value_rule(kind)
        if rule is not None:
            return rule
        fields = field_getters(kind)
        return self._own if fields is None else lambda key: self._fields(key, fields)

    def _tuple(self, key: Row) -> int:
        return hash(tuple(map(self.hash, key)))

    def _set(self, key: Row) -> int:
        return hash((SET, *sorted(map(self.hash, key))))

    def _fields(self, key: Row, getters: Sequence[Getter]) -> int:
        try:
            return hash(tuple([self.hash(get(key)) for get in getters]))
        except RowError:
            # the error about the whole key is clearer than the error about a field
            _check_hashable(key)
            raise

    def _own(self, key: Row) -> int:
        """Return the hash by the key's own `__hash__`, and keep the key as a sample."""
        found = number_hash(key)
        if len(self.samples) < _MOST_SAMPLES:
            fields = getattr(key, "__dict__", {})
            self.samples.setdefault((type(key), *map(type, fields.values())), key)
        return found


def _check_hashable(key: Row) -> None:
    try:
        hash(key)
    except TypeError as exc:
        raise unhashable("key", key, exc) from exc


def _refuse_address(key: Row) -> int:
    kind = type(key)
    remedy = "define __eq__ and __hash__"
    if isinstance(key, type) or callable(key):
        remedy = "use a name as the key, such as its __qualname__"
    elif kind.__module__ == "builtins":
        remedy = "use a value as the key"
    raise RowError(
        f"key {short_repr(key)} has no hash of its own: {kind.__qualname__} objects differ by "
        f"their address in memory; {remedy}"
    )


def _refuse(key: Row) -> int:
    raise unhashable("key", key, f"unhashable type: {type(key).__name__!r}")
