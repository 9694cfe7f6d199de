"""The key of a row, and when keys have a total order."""

from __future__ import annotations

import datetime
from collections.abc import Collection

from glowpy.errors import RowError, shown
from glowpy.flow.ops.kernel import Batch, Row

_NUMBERS = {int, float, bool}
_ORDERED_ALONE = {str, bytes, datetime.date, datetime.timedelta}


def key_of(row: Row) -> Row:
    """First element of a tuple or list, else the row itself (Go: guessKey)."""
    return row[0] if isinstance(row, (tuple, list)) and row else row


def check_pairs(batch: Batch, operator: str) -> None:
    """Make sure that every row is a (key, value) pair: a tuple or list of two.

    Raises:
        RowError: shows the first row that is not.
    """
    if {type(row) for row in batch} == {tuple} and set(map(len, batch)) == {2}:
        return
    for row in batch:
        if not isinstance(row, (tuple, list)) or len(row) != 2:
            raise RowError(f"{operator} needs rows of (key, value), but got {shown(row)}")


def are_totally_ordered(keys: Collection[Row]) -> bool:
    """True where `<` provably orders all keys: numbers without NaN, or all str, bytes, dates,
    or tuples of one length whose columns are such."""
    types = set(map(type, keys))
    if types <= _NUMBERS:
        return float not in types or all(key == key for key in keys)
    if len(types) != 1:
        return False
    (only,) = types
    if only in _ORDERED_ALONE:
        return True
    if only is tuple:
        return len(set(map(len, keys))) == 1 and all(
            are_totally_ordered(column) for column in zip(*keys, strict=True)
        )
    return False
