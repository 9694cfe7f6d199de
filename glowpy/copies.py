"""Copies of values, so that a change of one row affects no other row.

A join puts one value of an input into many rows, and a program may change a row after `send`.
Values of immutable types are shared, others are copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

_IMMUTABLE = {str, int, float, bool, bytes, complex, type(None), range, type(...)}
_IMMUTABLE_MODULES = {"datetime", "decimal", "fractions", "uuid", "zoneinfo"}


def hold_mutable(lists: Mapping[Any, Sequence[Any]]) -> bool:
    """Return True if any value in these lists may be mutable."""
    kinds = set(map(type, chain.from_iterable(lists.values())))
    return not (kinds <= _IMMUTABLE or are_immutable(chain.from_iterable(lists.values())))


def are_immutable(values: Iterable[Any]) -> bool:
    """Return True if all values are known to be immutable."""
    for value in values:
        if value.__class__ not in _IMMUTABLE and not _is_immutable(value):
            return False
    return True


def _is_immutable(value: Any) -> bool:
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return are_immutable(value)
    return kind in _IMMUTABLE or kind.__module__ in _IMMUTABLE_MODULES


def copied(value: Any) -> Any:
    """Return a deep copy of a value, or the value itself if it is immutable throughout.

    Values that cannot be copied, such as locks, are shared.
    """
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if (kind is list or kind is set) and are_immutable(value):
        return value.copy()
    if kind is dict and are_immutable(value.values()):
        return value.copy()
    if _is_immutable(value):
        return value
    from copy import deepcopy  # seldom needed

    try:
        return deepcopy(value)
    except Exception:  # noqa: BLE001  # the class's own code may raise any exception
        return value
