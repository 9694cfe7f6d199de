"""Sort keys, and the form of rows between the steps of a sort."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from gc import get_referents
from operator import itemgetter
from typing import Any

from glowpy.errors import RowError, short_repr
from glowpy.flow.arguments import call_with_fields, check_reducer, field_count
from glowpy.flow.ops.kernel import Batch, Row
from glowpy.flow.ops.keys import keys_of, natural_key
from glowpy.flow.ops.ordering import COMPARED
from glowpy.record import NamedTuple

Key = Callable[..., Row]

_first_of = itemgetter(0)


class Ordering(NamedTuple):
    """The order of rows: a key, ascending or descending.

    Rows are stored as (key, row) if the key is the result of the user's function, which is called
    once per row.
    """

    key: Key | None = None  # None: the natural key of each row
    reverse: bool = False
    fields: int = 0  # fields of a row passed to the key function; 0: the row itself
    compare: Callable[[Row, Row], Any] | None = None  # the argument of functools.cmp_to_key
    by_rows: bool = False  # the natural key is the whole row, not its first element

    @property
    def is_compared(self) -> bool:
        """True if a function of two rows defines the order; all keys are then plain."""
        return self.compare is not None

    def keyed(self, batch: Batch) -> Batch:
        """Return rows in the form between steps."""
        if self.key is None:
            return batch
        key, fields = self.key, self.fields
        rows = []
        # A comprehension would lose the row for which the key function raises.
        if fields:
            for row in batch:
                rows.append((call_with_fields(key, fields, row), row))
        else:
            for row in batch:
                rows.append((key(row), row))
        if rows and type(rows[-1][0]) is COMPARED:
            raise RowError(
                f"the key function returned a functools.cmp_to_key object, "
                f"{short_repr(rows[-1][1])}, which cannot leave its task; "
                "give sort(key=functools.cmp_to_key(f)) itself, whose "
                "f compares two rows"
            )
        return rows

    def rows_of(self, batch: Batch) -> Batch:
        """Return the rows of a batch in the form between steps."""
        return batch if self.key is None else [row for _, row in batch]

    def keys_of(self, batch: Batch) -> Batch:
        """Return the keys of a batch in the form between steps."""
        return self.unpacked(self.packed_keys_of(batch))

    def packed_keys_of(self, batch: Batch) -> Batch:
        """Return the keys in a form that can be pickled."""
        if self.key is not None:
            return list(map(_first_of, batch))
        return batch if self.by_rows or self.compare is not None else keys_of(batch)

    def unpacked(self, packed_keys: Batch) -> Batch:
        """Return the keys from the result of `packed_keys_of`."""
        if self.compare is None:
            return packed_keys
        return list(map(cmp_to_key(self.compare), packed_keys))

    def key_for_each(self, rows: Batch) -> Callable[[Row], Row] | None:
        """Return the function for the key of each stored row; None if the row is the key.

        For plain tuples this is `itemgetter`, which takes a third of the time.
        """
        if self.key is not None:
            return _first_of
        if self.compare is not None:
            return cmp_to_key(self.compare)
        return None if self.by_rows else natural_key(rows)


NATURAL = Ordering()


def ordering(key: Key | None, reverse: bool, operator: str, *, by_rows: bool = False) -> Ordering:
    """Return the ordering for the arguments of an operator.

    Raises:
        DefinitionError: the key function cannot be called with a row or its fields.
    """
    if key is None:
        return Ordering(reverse=bool(reverse), by_rows=by_rows)
    if type(key) is COMPARED:
        # The comparing function is only reachable through the referents, without the type.
        (compare,) = [each for each in get_referents(key) if each is not COMPARED]
        check_reducer(compare, operator)
        return Ordering(reverse=bool(reverse), compare=compare)
    return Ordering(key=key, reverse=bool(reverse), fields=field_count(key, operator))
