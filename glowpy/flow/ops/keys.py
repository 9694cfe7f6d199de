"""The key of a row, and when keys have a total order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Any, TypeAlias

from glowpy.errors import RowError, short_repr, unhashable
from glowpy.flow.ops.hashed_fields import Getter, field_getters
from glowpy.flow.ops.kernel import Batch, Row

Order: TypeAlias = Any  # which `<` it is; equal where keys compare with each other

_first_of = itemgetter(0)
_NUMBERS = {int, float, bool}
_ORDERED_ALONE = {str, bytes}
_NEVER_MISSING = {int, bool, str, bytes, type(None)}
_GETTERS: dict[type, list[Getter] | None] = {}  # of the fields of types met so far


def date_types() -> set[type]:
    """`date` and `timedelta`; empty if `datetime` is not loaded, because then no key is one."""
    datetime = sys.modules.get("datetime")
    return set() if datetime is None else {datetime.date, datetime.timedelta}


def key_of(row: Row) -> Row:
    """First element of a tuple or list, else the row itself (Go: guessKey)."""
    return row[0] if isinstance(row, (tuple, list)) and row else row


def natural_key(rows: Batch) -> Callable[[Row], Row] | None:
    """The fastest function that reads the key of each of these rows; None: each is its own key."""
    types = set(map(type, rows))
    if types == {tuple} and all(rows):
        return _first_of
    return key_of if any(issubclass(kind, (tuple, list)) for kind in types) else None


def keys_of(rows: Batch) -> Batch:
    """The key of each row; the same list if each row is its own key."""
    key = natural_key(rows)
    return rows if key is None else list(map(key, rows))


def check_pairs(batch: Batch, operator: str) -> None:
    """Make sure that every row is a (key, value) pair: a tuple or list of two.

    Raises:
        RowError: shows the first row that is not.
    """
    if set(map(type, batch)) == {tuple} and set(map(len, batch)) == {2}:
        return
    for row in batch:
        if not isinstance(row, (tuple, list)) or len(row) != 2:
            raise RowError(f"{operator} needs rows of (key, value), but got {short_repr(row)}")


def order_of(keys: Collection[Row]) -> Order | None:
    """The order in which `<` provably puts all keys; None where there is none.

    There is one of numbers without NaN, of str, of bytes, of dates, and of tuples of one length
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
    """The order of several collections of keys together."""
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
        return True  # pandas.NA: whether it is equal to itself is unknown
    except ValueError:
        return False  # an array: `==` compares its elements


def hashing_error(keys: Batch, exc: TypeError, what: str = "key") -> Exception:
    """What to raise for a TypeError while keys were hashed: names the one that has no hash."""
    for key in keys:
        try:
            hash(key)
        except TypeError:
            return unhashable(what, key, exc)
    return exc  # it came out of a key's own code


class LoneKey:
    """A key in a table that is equal to itself only: it is, or holds, a missing value.

    Python takes an object for equal to itself even if `==` says that it is not, and there is one
    NaT and one NA in a process. The wrapper is the key from the input of a keyed operator to its
    result; it is hashed, for its place, as its value is.
    """

    __slots__ = ("value",)

    def __init__(self, value: Row) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type[LoneKey], tuple[Row]]:
        return LoneKey, (self.value,)

    def __repr__(self) -> str:
        return repr(self.value)


def pairs_with_distinct_nans(pairs: Batch) -> Batch:
    """The pairs; keys with missing values are wrapped, so that each matches nothing."""
    if set(map(type, map(_first_of, pairs))) <= _NEVER_MISSING:
        return pairs
    keys = list(map(_first_of, pairs))
    others = with_distinct_nans(keys)
    return pairs if others is keys else list(zip(others, (pair[1] for pair in pairs), strict=True))


def with_distinct_nans(keys: Batch) -> Batch:
    """The keys; those with missing values are wrapped, so that each matches nothing."""
    if set(map(type, keys)) <= _NEVER_MISSING or not any(map(_holds_missing, keys)):
        return keys
    return [LoneKey(key) if _holds_missing(key) else key for key in keys]


def result_keys(keys: Batch) -> Batch:
    """The keys as they stand in results, without wrappers."""
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
