"""The order of sort keys: the order of `<`, extended to values that `<` does not order.

A missing value (NaN, NaT, NA) comes after every other value, in ascending and in descending order,
also as an element of a tuple or list. Missing values are equal to each other. Sets have no order,
because `<` orders them only in part.

Keys without missing values and sets are *plain*: `<` itself orders them. Other keys are compared by
their order key, also in C code:

    value              order key, ascending    descending
    3.5                (0, 3.5)                (1, 3.5)
    nan                (1,)                    (0,)
    (3.5, nan)         (0, ((0, 3.5), (1,)))   (1, ((1, 3.5), (0,)))
    a @dataclass(order=True): (0, its class, its order keys by field)
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence, Set
from enum import Enum
from functools import cmp_to_key
from heapq import nlargest
from itertools import chain
from operator import attrgetter, itemgetter, ne
from typing import Any

from glowpy.errors import RowError, short_repr
from glowpy.flow.ops.kernel import Batch, Row
from glowpy.flow.ops.keys import is_missing

_NEVER_MISSING = {int, str, bytes, bool}
_BUILTINS = _NEVER_MISSING | {float}
# Exceptions of a comparison: `<` of other types, of arrays, of a signalling NaN.
_NO_ORDER = (TypeError, ValueError, ArithmeticError)
# The type of cmp_to_key(f), and of the keys made by cmp_to_key(f).
COMPARED: Any = type(cmp_to_key(lambda left, right: 0))


class NoOrder(RowError):
    """Two keys that cannot be compared, one of them None if `has_none`; `<` raised `reason`."""

    def __init__(self, left: Row, right: Row, reason: BaseException) -> None:
        values = [key.obj if type(key) is COMPARED else key for key in (left, right)]
        super().__init__(f"{' and '.join(map(short_repr, values))}: {reason}")
        self.reason = reason
        self.has_none = any(value is None for value in values)


class _Form(Enum):
    """The way to order keys of a type."""

    PLAIN = "by `<`; never missing"
    VALUE = "by `<`, unless missing"
    ELEMENTS = "by elements, any of which may be missing"
    FIELDS = "by fields, any of which may be missing"
    SET = "no order"


class _Unordered:
    """A set in an order key: equal to equal sets, and without an order."""

    __slots__ = ("_value",)

    def __init__(self, value: Row) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unordered) and bool(self._value == other._value)

    def __lt__(self, other: object) -> bool:
        raise TypeError("sets have no order: for sets, `<` means a subset")

    __hash__ = None  # type: ignore[assignment]


def is_plain(keys: Sequence[Row]) -> bool:
    """True if `<` alone orders the keys; False if they contain a missing value or a set."""
    types = set(map(type, keys))
    if types <= _NEVER_MISSING:
        return True
    if types == {float}:
        total = sum(keys)  # NaN if a key is, or if inf and -inf are among the keys
        return bool(total == total) or not any(map(ne, keys, keys))
    if types <= _BUILTINS:
        return not any(map(ne, keys, keys))
    if types == {tuple} and len(lengths := set(map(len, keys))) == 1:
        # Column by column, because a column of floats is quick to check.
        columns = range(lengths.pop())
        return all(is_plain(list(map(itemgetter(column), keys))) for column in columns)
    forms = {kind: _form_of(kind) for kind in types}
    some = set(forms.values())
    if _Form.SET in some or _Form.FIELDS in some:
        return False
    if _Form.VALUE in some:
        values = [key for key in keys if forms[type(key)] is _Form.VALUE]
        if any(map(is_missing, values)):
            return False
    if _Form.ELEMENTS not in some:
        return True
    if len(some) > 1:
        keys = [key for key in keys if forms[type(key)] is _Form.ELEMENTS]
    return is_plain(list(chain.from_iterable(keys)))


def is_plain_behind(key: Row) -> bool:
    """True if all keys ordered before this key are plain; False if they may not be.

    Missing values come last, so none precedes a value that is not missing.
    """
    form = _form_of(type(key))
    return form is _Form.PLAIN or (form is _Form.VALUE and not is_missing(key))


def sort_plain(
    rows: Batch, key: Callable[[Row], Row] | None, keys_of: Callable[[Batch], Batch], reverse: bool
) -> None:
    """Sort rows by plain keys, in place; `keys_of` returns the same keys as a list.

    Raises:
        NoOrder: two keys cannot be compared.
    """
    try:
        rows.sort(key=key, reverse=reverse)
    except _NO_ORDER as exc:
        raise no_order(keys_of(rows), reverse, exc) from exc


def positions_in_order(keys: Batch, *, reverse: bool, plain: bool) -> list[int]:
    """Return the positions of the keys in sorted order; equal keys keep their order.

    Raises:
        NoOrder: two keys cannot be compared.
    """
    order_keys = keys if plain else [order_key(key, reverse) for key in keys]
    try:
        return sorted(range(len(keys)), key=order_keys.__getitem__, reverse=reverse)
    except _NO_ORDER as exc:
        raise no_order(keys, reverse, exc) from exc


def largest(count: int, keys: Batch) -> list[int]:
    """Return the positions of the largest keys, in descending order; equal keys keep their order.

    Raises:
        NoOrder: two keys cannot be compared.
    """
    order_keys = keys if is_plain(keys) else [order_key(key, True) for key in keys]
    try:
        return nlargest(count, range(len(keys)), key=order_keys.__getitem__)
    except _NO_ORDER as exc:
        raise no_order(keys, True, exc) from exc


def before(left: Row, right: Row, *, reverse: bool, plain: bool) -> bool:
    """True if the left key comes before the right key and is not equal to it.

    Raises:
        NoOrder: the keys cannot be compared.
    """
    keys = left, right
    if not plain:
        left, right = order_key(left, reverse), order_key(right, reverse)
    try:
        return bool(right < left if reverse else left < right)
    except _NO_ORDER as exc:
        raise NoOrder(keys[0], keys[1], exc) from exc


def order_key(key: Row, reverse: bool) -> Row:
    """Return a tuple that `<` compares in the order of the key among all keys."""
    kind = type(key)
    form = _form_of(kind)
    if form is _Form.ELEMENTS:
        elements = [order_key(element, reverse) for element in key]
        return (int(reverse), elements if isinstance(key, list) else tuple(elements))
    if form is _Form.FIELDS:
        fields = _order_fields(kind)
        assert fields is not None
        return (int(reverse), kind, tuple([order_key(get(key), reverse) for get in fields]))
    if form is _Form.SET:
        return (int(reverse), _Unordered(key))
    if form is _Form.VALUE and is_missing(key):
        return (int(not reverse),)
    return (int(reverse), key)


def no_order(keys: Batch, reverse: bool, reason: BaseException) -> NoOrder:
    """Return an error with two keys that cannot be compared, found by sorting again."""
    last: list[Row] = [None, None]

    class Noted:
        __slots__ = ("key", "order_key")

        def __init__(self, key: Row) -> None:
            self.key = key
            self.order_key = order_key(key, reverse)

        def __lt__(self, other: Noted) -> bool:
            last[:] = self.key, other.key
            return bool(self.order_key < other.order_key)

    try:
        sorted(map(Noted, keys), reverse=reverse)
    except _NO_ORDER as exc:
        reason = exc
    return NoOrder(last[0], last[1], reason)


_FORMS: dict[type, _Form] = {}  # cache by type


def _form_of(kind: type) -> _Form:
    form = _FORMS.get(kind)
    if form is None:
        form = _FORMS[kind] = _find_form(kind)
    return form


def _find_form(kind: type) -> _Form:
    less: object = getattr(kind, "__lt__", None)
    if less is tuple.__lt__ or less is list.__lt__:
        return _Form.ELEMENTS
    if issubclass(kind, (Set, Counter)):  # a Counter's `<` is that of a multiset
        return _Form.SET
    if _order_fields(kind) is not None:
        return _Form.FIELDS
    equal: object = kind.__eq__
    if equal is object.__eq__ or kind is COMPARED or equal in _equalities():
        return _Form.PLAIN
    return _Form.VALUE


def _equalities() -> list[object]:
    """Return the `==` methods of types without missing values."""
    found: list[object] = [kind.__eq__ for kind in (int, str, bytes)]
    datetime = sys.modules.get("datetime")  # not loaded: no key is a date
    if datetime is not None:
        kinds = datetime.date, datetime.datetime, datetime.time, datetime.timedelta
        found += [kind.__eq__ for kind in kinds]
    return found


def _order_fields(kind: type) -> Sequence[Callable[[Row], Row]] | None:
    """Return readers of the fields compared by a generated `<`; None for any other `<`."""
    less: Any = getattr(kind, "__lt__", None)
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is not None and parameters.order and _is_generated(less):
        from dataclasses import fields

        return [attrgetter(each.name) for each in fields(kind) if each.compare]
    of_attrs = [each for each in getattr(kind, "__attrs_attrs__", ()) if each.order]
    if of_attrs and _is_generated(less) and all(each.order_key is None for each in of_attrs):
        return [attrgetter(each.name) for each in of_attrs]
    return None


def _is_generated(method: Any) -> bool:
    """True for a method generated by @dataclass or attrs, not written by the user."""
    code = getattr(method, "__code__", None)
    if code is None:
        return False
    is_of_attrs: bool = method.__globals__.get("__name__") == "attr._make"
    return is_of_attrs or code.co_filename == "<string>"
