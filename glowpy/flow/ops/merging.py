"""Merging of sorted streams within a memory budget.

Streams are merged batch by batch, not row by row: of the current batches, all rows up to the
smallest last key precede every later row. These rows are concatenated and sorted; Python's sort
detects the runs, so that a row costs a few comparisons in C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from glowpy.flow.ops.kernel import Batch, Row, Stream, TaskContext
from glowpy.flow.ops.memory import batches_of
from glowpy.flow.ops.ordering import before, is_plain, is_plain_behind, positions_in_order

FAN_IN = 16  # streams merged at a time
BLOCKS_IN_BUDGET = 4 * FAN_IN  # a merge holds a block of each stream, and their rows

first_of = itemgetter(0)
KeysOf = Callable[[Batch], Batch]  # a batch's keys


def firsts_of(batch: Batch) -> Batch:
    """Return the first elements of rows, which are their keys."""
    return list(map(first_of, batch))


def merge_within(
    context: TaskContext,
    streams: Sequence[Stream],
    keys_of: KeysOf,
    *,
    reverse: bool = False,
    plain: bool = False,
) -> Stream:
    """Merge sorted streams into one; rows with equal keys are in the order of their streams.

    More than FAN_IN streams are merged in passes, through the disk.

    Args:
        plain: all keys are plain by `ordering.is_plain`; otherwise each batch is checked.

    Raises (when drawn from):
        NoOrder: keys of two streams cannot be compared.
    """
    if len(streams) <= FAN_IN:
        yield from merged(streams, keys_of, reverse=reverse, plain=plain)
        return
    block_bytes = context.budget_bytes // BLOCKS_IN_BUDGET
    with context.scratch() as runs:
        count = 0
        for first in range(0, len(streams), FAN_IN):
            for batch in merged(
                streams[first : first + FAN_IN], keys_of, reverse=reverse, plain=plain
            ):
                for block in batches_of(batch, block_bytes):
                    runs.append(count, block)
            count += 1
        longer = [runs.read(number) for number in range(count)]
        yield from merge_within(context, longer, keys_of, reverse=reverse, plain=plain)


def merged(
    streams: Sequence[Stream], keys_of: KeysOf, *, reverse: bool = False, plain: bool = False
) -> Stream:
    """Merge sorted streams into one, with a batch of each in memory."""
    if len(streams) == 1:
        yield from streams[0]
        return
    heads = [head for stream in streams if (head := _Head(stream, keys_of, plain)).advance()]
    while len(heads) > 1:
        are_plain = all(head.is_plain for head in heads)
        bound = heads[0].keys[-1]
        for head in heads[1:]:
            if before(head.keys[-1], bound, reverse=reverse, plain=are_plain):
                bound = head.keys[-1]
        rows: Batch = []
        keys: Batch = []
        is_inclusive = True  # keys equal to the bound; False after a stream whose batch ends there
        for head in heads:
            last = head.keys[-1]
            ends_here = is_inclusive and not before(bound, last, reverse=reverse, plain=are_plain)
            end = len(head.keys)
            if not ends_here:
                end = end_of(
                    head.keys, head.position, bound, is_inclusive, reverse=reverse, plain=are_plain
                )
            rows += head.rows[head.position : end]
            keys += head.keys[head.position : end]
            head.position = end
            is_inclusive = is_inclusive and not ends_here
        order = positions_in_order(keys, reverse=reverse, plain=are_plain)
        yield [rows[position] for position in order]
        heads = [head for head in heads if head.position < len(head.keys) or head.advance()]
    for head in heads:
        yield head.rows[head.position :]
        yield from head.stream


def aligned(
    streams: Sequence[Stream], keys_of: Sequence[KeysOf]
) -> Iterator[tuple[Row, list[Batch], list[bool]]]:
    """Yield sorted streams side by side: the rows of each up to a growing bound.

    Each item has the bound, the rows of each stream, and for each stream whether more of its rows
    equal the bound.
    """
    heads = [_Head(stream, each, True) for stream, each in zip(streams, keys_of, strict=True)]
    live = [head for head in heads if head.advance()]
    while live:
        bound = min(head.keys[-1] for head in live)
        batches: list[Batch] = []
        for head in heads:
            end = end_of(head.keys, head.position, bound, True, reverse=False, plain=True)
            batches.append(head.rows[head.position : end])
            head.position = end
        live = [head for head in live if head.position < len(head.keys) or head.advance()]
        yield bound, batches, [head in live and head.keys[head.position] == bound for head in heads]


class _Head:
    """The current batch of a stream, and the position in it."""

    def __init__(self, stream: Stream, keys_of: KeysOf, plain: bool) -> None:
        self.stream: Iterator[Batch] = iter(stream)
        self._keys_of = keys_of
        self.rows: Batch = []
        self.keys: Batch = []
        self._are_all_plain = plain
        self.is_plain = plain
        self.position = 0

    def advance(self) -> bool:
        """Read the next batch; return False at the end."""
        self.rows, self.keys, self.position = [], [], 0
        for batch in self.stream:
            if batch:
                self.rows, self.keys = batch, self._keys_of(batch)
                if not self._are_all_plain:
                    self.is_plain = is_plain_behind(self.keys[-1]) or is_plain(self.keys)
                return True
        return False


def end_of(
    keys: Batch, first: int, bound: Row, is_inclusive: bool, *, reverse: bool, plain: bool
) -> int:
    """Return the position in sorted keys, from `first` on, after the keys before the bound.

    Keys equal to the bound are included if it is inclusive.
    """
    low, high = first, len(keys)
    while low < high:
        middle = (low + high) // 2
        key = keys[middle]
        if is_inclusive:
            is_in = not before(bound, key, reverse=reverse, plain=plain)
        else:
            is_in = before(key, bound, reverse=reverse, plain=plain)
        if is_in:
            low = middle + 1
        else:
            high = middle
    return low
