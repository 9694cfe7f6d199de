"""The key of a row, and the total order of keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Any, TypeAlias

from glowpy.errors import RowError, short_repr, unhashable
from glowpy.flow.ops.hashed_fields import Getter, field_getters
from glowpy.flow.ops.kernel import Batch, Row

Order: TypeAlias = Any  # identifies a `<`: equal for keys that can be compared with each other

_first_of = itemgetter(0)
_NUMBERS = {int, float, bool}
_ORDERED_ALONE = {str, bytes}
_NEVER_MISSING = {int, bool, str, bytes, type(None)}
_GETTERS: dict[type, list[Getter] | None] = {}  # by type, of the fields


def date_types() -> set[type]:
    """Return `date` and `timedelta`; none if `datetime` is not loaded: then no key is a date."""
    datetime = sys.modules.get("datetime")
    return set() if datetime is None else {datetime.date, datetime.timedelta}


def key_of(row: Row) -> Row:
    """Return the first element of a tuple or list, else the row itself (Go: guessKey)."""
    return row[0] if isinstance(row, (tuple, list)) and row else row


def natural_key(rows: Batch) -> Callable[[Row], Row] | None:
    """Return the fastest function for the keys of these rows; None if each row is its own key."""
    types = set(map(type, rows))
    if types == {tuple} and all(rows):
        return _first_of
    return key_of if any(issubclass(kind, (tuple, list)) for kind in types) else None


def keys_of(rows: Batch) -> Batch:
    """Return the key of each row; the same list if each row is its own key."""
    key = natural_key(rows)
    return rows if key is None else list(map(key, rows))


def check_pairs(batch: Batch, operator: str) -> None:
    """Check that every row is a (key, value) pair: a tuple or list of two.

    Raises:
        RowError: shows the first row that is not a pair.
    """
    if set(map(type, batch)) == {tuple} and set(map(len, batch)) == {2}:
        return
    for row in batch:
        if not isinstance(row, (tuple, list)) or len(row) != 2:
            raise RowError(f"{operator} needs rows of (key, value), but got {short_repr(row)}")


def order_of(keys: Collection[Row]) -> Order | None:
    """Return the order in which `<` provably puts all keys; None if there is none.

    Numbers without NaN, str, bytes and dates have a total order, and so have tuples of one length
    whose columns have one.
    """
    types = set(map(type, keys))
    if types <= _NUMBERS:
        is_total = float not in types or all(key == key for key in keys)
        return "numbers" if is_total else None
    if len(types) != 1:
        return None
    (only,) = types
    if only in _ORDERED_ALONE or only in date_types():
        return str(only.__name__)
    if only is tuple and len(set(map(len, keys))) == 1:
        columns = [order_of(column) for column in zip(*keys, strict=True)]
        return None if None in columns else tuple(columns)
    return None


def common_order(orders: Collection[Order | None]) -> Order | None:
    """Return the order of several collections of keys together."""
    different = set(orders)
    return different.pop() if len(different) == 1 else None


def is_missing(value: Row) -> bool:
    """True for NaN, NaT, NA and other values that are not equal to themselves."""
    try:
        equal = value == value
    except ArithmeticError:
        return True  # a signalling NaN of decimal
    if equal is True:
        return False
    try:
        return not equal
    except TypeError:
        return True  # pandas.NA, whose comparison is undecided
    except ValueError:
        return False  # an array: `==` compares its elements


def hashing_error(keys: Batch, exc: TypeError, what: str = "key") -> Exception:
    """Return the error for a TypeError during hashing, which names the unhashable key."""
    for key in keys:
        try:
            hash(key)
        except TypeError:
            return unhashable(what, key, exc)
    return exc  # raised by a key's own code


class LoneKey:
    """A key in a table that equals only itself, because it is or contains a missing value.

    Python treats an object as equal to itself even if `==` returns False, and a process has a
    single NaT and a single NA. The wrapper replaces the key from the input of a keyed operator to
    its result. Its place is computed from the hash of the wrapped value.
    """

    __slots__ = ("value",)

    def __init__(self, value: Row) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type[LoneKey], tuple[Row]]:
        return LoneKey, (self.value,)

    def __repr__(self) -> str:
        return repr(self.value)


def pairs_with_distinct_nans(pairs: Batch) -> Batch:
    """Return the pairs, with keys that have missing values wrapped so that they match nothing."""
    if set(map(type, map(_first_of, pairs))) <= _NEVER_MISSING:
        return pairs
    keys = list(map(_first_of, pairs))
    others = with_distinct_nans(keys)
    return pairs if others is keys else list(zip(others, (pair[1] for pair in pairs), strict=True))


def with_distinct_nans(keys: Batch) -> Batch:
    """Return the keys, with those that have missing values wrapped so that they match nothing."""
    if set(map(type, keys)) <= _NEVER_MISSING or not any(map(_holds_missing, keys)):
        return keys
    return [LoneKey(key) if _holds_missing(key) else key for key in keys]


def result_keys(keys: Batch) -> Batch:
    """Return the keys for results, without wrappers."""
    if LoneKey not in set(map(type, keys)):
        return keys
    return [key.value if type(key) is LoneKey else key for key in keys]


def _holds_missing(key: Row) -> bool:
    kind = type(key)
    if kind in _NEVER_MISSING:
        return False
    if isinstance(key, (tuple, frozenset)):
        return any(map(_holds_missing, key))
    if kind not in _GETTERS:
        _GETTERS[kind] = field_getters(kind)
    getters = _GETTERS[kind]
    if getters is not None:
        return any(_holds_missing(get(key)) for get in getters)
    return is_missing(key)
