"""What a loop of fused steps calls besides the user's functions (`compile` writes the loops).

Each looks again at a row or a key that the loop has found not to be of the usual kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glowpy.errors import RowError, shown
from glowpy.flow.arguments import call_with_fields


def each(rows: Any) -> Iterator[Any]:
    """The rows that a flat_map's function has given for a row, one at a time.

    Raises:
        RowError: that is nothing to iterate over.
    """
    try:
        return iter(rows)
    except TypeError as exc:
        raise RowError(
            f"flat_map() needs an iterable of rows from its function, but got {shown(rows)}; "
            "for no rows return []"
        ) from exc


def pair(row: Any) -> Any:
    """A row that is to be taken apart as a key and a value.

    Raises:
        RowError: it is something else, which might be taken apart all the same.
    """
    if not isinstance(row, (tuple, list)):
        raise RowError(f"reduce_by_key needs rows of (key, value), but got {shown(row)}")
    return row


def pair_of(row: Any) -> Any:
    """A row whose value is to be mapped, and which is no plain tuple of two.

    Raises:
        RowError: it is no pair at all.
    """
    from glowpy.flow.ops.keys import check_pairs

    check_pairs([row], "map_values")
    return row


def apart(key: Any) -> Any:
    """A new key of a fold; a copy if it is or holds NaN, which Python would take for itself."""
    from glowpy.flow.ops.keys import keys_apart

    (only,) = keys_apart([key])
    return only


# By the names that they have in the loops.
IN_LOOPS = {own.__name__: own for own in (each, call_with_fields, pair, apart, pair_of)}
