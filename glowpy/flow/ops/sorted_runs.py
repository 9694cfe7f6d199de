"""Tables that exceed the memory budget, as sorted runs on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from glowpy.flow.ops.kernel import Row, Scratch, Stream
from glowpy.flow.ops.key_order import sorted_keys
from glowpy.flow.ops.keys import Order, common_order, order_of
from glowpy.flow.ops.memory import batches_of

Table = dict[Row, Any]
RowsOf = Callable[[Table, Iterable[Row]], Iterable[Row]]  # the rows of the given keys

_KEYS_AT_A_TIME = 1024
_MOST_ROWS = 1 << 16  # measured together


class SortedRuns:
    """Writes tables as runs: the rows of each table in key order."""

    def __init__(self, disk: Scratch, block_bytes: int) -> None:
        self._disk = disk
        self._block_bytes = block_bytes
        self._count = 0
        self._orders: set[Order | None] = set()

    @property
    def is_ordered(self) -> bool:
        """True if `<` orders all keys of all runs."""
        return common_order(self._orders) is not None

    def add(self, table: Table, rows_of: RowsOf) -> Stream:
        """Write the rows of a table as one run, readable after all runs are written."""
        keys = self._in_order(table)
        number = self._count
        self._count += 1
        for first in range(0, len(keys), _KEYS_AT_A_TIME):
            left = iter(rows_of(table, keys[first : first + _KEYS_AT_A_TIME]))
            while some := list(islice(left, _MOST_ROWS)):
                for batch in batches_of(some, self._block_bytes):
                    self._disk.append(number, batch)
        return self._disk.read(number)

    def kept(self, table: Table, rows_of: RowsOf) -> Iterable[Row]:
        """Return the rows of a table as a run in memory."""
        return rows_of(table, self._in_order(table))

    def _in_order(self, table: Table) -> list[Row]:
        order = order_of(table.keys())
        self._orders.add(order)
        return sorted_keys(list(table), order is not None)
