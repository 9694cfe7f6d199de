"""A total order of all keys, derived from each key alone.

Keys with a natural total order (`keys.order_of`) keep that order. In general numbers come first,
then text, bytes, dates, spans of time, tuples by their elements, and finally all other keys by
their hash. Equal keys have one place, even if their types differ. Unequal keys may share a place;
they are then ordered by their first appearance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from zlib import crc32

from glowpy.flow.ops.hashing import KeyHasher
from glowpy.flow.ops.kernel import Batch, Row
from glowpy.flow.ops.keys import LoneKey
from glowpy.flow.ops.value_hashes import (
    as_number,
    date_hash,
    microseconds_of,
    number_hash,
    numpy_number_hash,
    span_hash,
    text_hash,
    value_rule,
)

Place: TypeAlias = tuple[int, Any]  # the rank, and a value for comparisons within the rank

_NUMBER, _TEXT, _BYTES, _DATE, _SPAN, _TUPLE, _OTHER = range(7)


def places_of(keys: Batch) -> list[Place]:
    """Return the place of each key; sorting by it puts the keys in order.

    Raises:
        RowError: a key cannot be hashed, or only by its address in memory.
    """
    return list(map(_KeyPlaces().place, keys))


def sorted_keys(keys: list[Row], is_ordered: bool) -> list[Row]:
    """Return distinct keys in order; faster if `<` is known to order them."""
    if is_ordered:
        keys.sort()
        return keys
    places = places_of(keys)
    return [keys[number] for number in sorted(range(len(keys)), key=places.__getitem__)]


class _KeyPlaces:
    """Finds places, with a cache of functions by type."""

    def __init__(self) -> None:
        self._hasher = KeyHasher()
        self._by_type: dict[type, Callable[[Row], Place]] = {}

    def place(self, key: Row) -> Place:
        find = self._by_type.get(type(key))
        if find is None:
            find = self._by_type[type(key)] = self._finder(type(key))
        return find(key)

    def _finder(self, kind: type) -> Callable[[Row], Place]:
        if kind in (int, bool):
            return lambda key: (_NUMBER, key)
        if kind is LoneKey:
            return lambda key: self.place(key.value)
        if kind is float:
            return lambda key: (_NUMBER, key) if key == key else self._other(key)
        own: object = kind.__hash__
        if own is tuple.__hash__:
            return lambda key: (_TUPLE, tuple(map(self.place, tuple.__iter__(key))))
        if own is None or own is object.__hash__:
            return self._other
        rule = value_rule(kind)
        if rule is numpy_number_hash:
            return lambda key: self.place(key.item())
        if rule is text_hash:
            return lambda key: (_TEXT, str.__str__(key))
        if rule is crc32:
            return lambda key: (_BYTES, bytes(memoryview(key)))
        if rule is date_hash:
            return lambda key: (_DATE, key.toordinal())
        if rule is span_hash:
            return self._span
        # Objects of a user's class may be equal to numbers.
        return self._number if rule is number_hash or rule is None else self._other

    def _number(self, key: Row) -> Place:
        number = as_number(key)
        return self._other(key) if number is None else (_NUMBER, number)

    def _span(self, key: Row) -> Place:
        number = microseconds_of(key)
        return self._other(key) if number is None else (_SPAN, number)

    def _other(self, key: Row) -> Place:
        return (_OTHER, self._hasher.hash(key))
