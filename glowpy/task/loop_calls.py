"""Helper functions of the loops of fused steps, whose text `compile` generates.

The loops call them for unusual rows and keys only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from glowpy.errors import RowError, short_repr
from glowpy.flow.arguments import call_with_fields


def each(rows: Any) -> Iterator[Any]:
    """Return an iterator over the output of a flat_map's function.

    Raises:
        RowError: the output is not iterable.
    """
    try:
        return iter(rows)
    except TypeError as exc:
        raise RowError(
            f"flat_map() needs an iterable of rows from its function, but got {short_repr(rows)}; "
            "for no rows return []"
        ) from exc


def pair(row: Any) -> Any:
    """Return the row for unpacking as key and value.

    Raises:
        RowError: the row is not a tuple or list; a string of length two would unpack as well.
    """
    if not isinstance(row, (tuple, list)):
        raise RowError(f"reduce_by_key needs rows of (key, value), but got {short_repr(row)}")
    return row


def pair_of(row: Any) -> Any:
    """Return the row of a map_values, which is not a plain tuple of two.

    Raises:
        RowError: the row is not a pair.
    """
    from glowpy.flow.ops.keys import check_pairs

    check_pairs([row], "map_values")
    return row


def apart(key: Any) -> Any:
    """Return the key for a fold's table; a `LoneKey` if a value in the key is missing."""
    from glowpy.flow.ops.keys import with_distinct_nans

    (only,) = with_distinct_nans([key])
    return only


def call_and_note(function: Callable[..., Any], most_fields: int, row: Any) -> Any:
    """Call the function with a tuple as the row; note once that it could accept the fields."""
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


# By their names in the loops.
IN_LOOPS = {
    own.__name__: own for own in (each, call_with_fields, call_and_note, pair, apart, pair_of)
}
