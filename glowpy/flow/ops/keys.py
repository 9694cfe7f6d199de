"""The key of a row, and when keys have a total order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Any, TypeAlias

from glowpy.errors import RowError, shown, unhashable
from glowpy.flow.ops.kernel import Batch, Row

Order: TypeAlias = Any  # which `<` it is; equal where keys compare with each other

_first_of = itemgetter(0)
_NUMBERS = {int, float, bool}
_ORDERED_ALONE = {str, bytes}
_NEVER_NAN = {int, bool, str, bytes, type(None)}


def date_types() -> set[type]:
    """`date` and `timedelta`; nothing if nobody has loaded them, because then no key is one."""
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
            raise RowError(f"{operator} needs rows of (key, value), but got {shown(row)}")


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


def pairs_apart(pairs: Batch) -> Batch:
    """The pairs, with keys of their own where these are NaN or hold one."""
    if set(map(type, map(_first_of, pairs))) <= _NEVER_NAN:
        return pairs
    keys = list(map(_first_of, pairs))
    others = keys_apart(keys)
    return pairs if others is keys else list(zip(others, (pair[1] for pair in pairs), strict=True))


def keys_apart(keys: Batch) -> Batch:
    """The keys, those that are NaN or hold one each as an object of its own.

    Python takes an object for equal to itself even if it says that it is not; so NaN keys match
    nothing, wherever they come from.
    """
    if set(map(type, keys)) <= _NEVER_NAN or not any(map(_holds_nan, keys)):
        return keys
    return [_copied(key) if _holds_nan(key) else key for key in keys]


def _holds_nan(key: Row) -> bool:
    kind = type(key)
    if kind in _NEVER_NAN:
        return False
    if isinstance(key, (tuple, frozenset)):
        return any(map(_holds_nan, key))
    return bool(key != key)


def _copied(key: Row) -> Row:
    import pickle

    return pickle.loads(pickle.dumps(key, 5))
