"""Copies of values: a step or a program that changes one row changes no other.

A join puts one value of an input into many rows, and a program may change a row after `send`.
Values of immutable types are shared, all others are copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

_IMMUTABLE = {str, int, float, bool, bytes, complex, type(None), range, type(...)}
_IMMUTABLE_MODULES = {"datetime", "decimal", "fractions", "uuid", "zoneinfo"}


def hold_mutable(lists: Mapping[Any, Sequence[Any]]) -> bool:
    """Can any of the values in these lists be changed?"""
    kinds = set(map(type, chain.from_iterable(lists.values())))
    return not (kinds <= _IMMUTABLE or are_immutable(chain.from_iterable(lists.values())))


def are_immutable(values: Iterable[Any]) -> bool:
    """Can none of these values be changed?"""
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
    """A deep copy of a value, or the value itself if nothing in it can be changed.

    Values without a copy, such as locks, are shared.
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
    except Exception:  # noqa: BLE001  # any exception can come out of the class's own code
        return value
