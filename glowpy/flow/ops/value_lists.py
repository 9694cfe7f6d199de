"""Tables that store the values of each key in a list, in row order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from glowpy.flow.ops.kernel import Row, Stream, chain
from glowpy.flow.ops.key_tables import KeyedInput, TableOps
from glowpy.flow.ops.keys import check_pairs, hashing_error, pairs_with_distinct_nans
from glowpy.flow.ops.memory import BatchSizer
from glowpy.flow.ops.merging import firsts_of
from glowpy.flow.ops.sorted_runs import Table


def value_lists_input(shards: Sequence[Stream], operator: str) -> KeyedInput:
    """Return the (K, V) rows of one input, for tables with the values of each key in a list.

    Raises (when drawn from):
        RowError: a row is not a pair.
    """
    return KeyedInput(
        _checked(shards, operator),
        TableOps(
            empty=partial(defaultdict, list),
            fill=_fill,
            refill=_fill,
            rows_of=_pairs_of,
            keys_of=firsts_of,
        ),
    )


def _checked(shards: Sequence[Stream], operator: str) -> Stream:
    for batch in chain(shards):
        check_pairs(batch, operator)
        yield pairs_with_distinct_nans(batch)


def _fill(batches: Stream, sizer: BatchSizer, table: Table) -> Iterator[None]:
    taken = 0
    for batch in batches:
        try:
            for key, value in batch:
                table[key].append(value)
        except TypeError as exc:
            raise hashing_error(firsts_of(batch), exc) from exc
        taken += len(batch)
        if taken >= sizer.rows:
            yield
            taken = 0


def _pairs_of(table: Table, keys: Iterable[Row]) -> Iterator[Row]:
    return ((key, value) for key in keys for value in table[key])
