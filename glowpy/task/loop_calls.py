"""What a loop of fused steps calls besides the user's functions (`compile` writes the loops).

Each looks again at a row or a key that the loop has found not to be of the usual kind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from glowpy.errors import RowError, short_repr
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
            f"flat_map() needs an iterable of rows from its function, but got {short_repr(rows)}; "
            "for no rows return []"
        ) from exc


def pair(row: Any) -> Any:
    """A row that is to be taken apart as a key and a value.

    Raises:
        RowError: it is something else, which might be taken apart all the same.
    """
    if not isinstance(row, (tuple, list)):
        raise RowError(f"reduce_by_key needs rows of (key, value), but got {short_repr(row)}")
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
    """A new key of a fold; a `LoneKey` if it is or holds a missing value."""
    from glowpy.flow.ops.keys import with_distinct_nans

    (only,) = with_distinct_nans([key])
    return only


def call_and_note(function: Callable[..., Any], most_fields: int, row: Any) -> Any:
    """Pass a tuple as the row; note, once, that the function could take its fields."""
    if 2 <= len(row) <= most_fields:
        _note_defaults(function, len(row))
    return function(row)


@lru_cache(maxsize=256)
def _note_defaults(function: Callable[..., Any], field_count: int) -> None:
    from glowpy.task.notes import add_note

    code = function.__code__
    first, second, *_more = code.co_varnames
    place = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"
    fields = "pairs" if field_count == 2 else f"tuples of {field_count}"
    add_note(
        f"defaults {place}",
        f"{place}: rows are {fields} here, and {function.__qualname__} gets them whole, as "
        f"{first!r}: a parameter with a default, {second!r}, gets no field. For the fields, leave "
        f"the default out; for the row, write `{first}, *, {second}=…`",
    )


# By the names that they have in the loops.
IN_LOOPS = {
    own.__name__: own for own in (each, call_with_fields, call_and_note, pair, apart, pair_of)
}
