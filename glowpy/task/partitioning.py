"""Places rows in shards by the hashes of their keys, and checks the places where rows are read.

The hash of most keys follows from their value. That of a class with a `__hash__` of its own may
follow from the process: from id(), or from a class. Equal keys would then be split over shards by
the tasks that write them. So a writer marks the rows of such keys, and adds samples of these keys
with their hashes to each of its shards. A reader hashes both again and compares.
"""

from __future__ import annotations

from collections.abc import Callable

from glowpy.errors import RowError, short_repr
from glowpy.flow.graph import OutputKind, Step
from glowpy.flow.ops.hashing import KeyHasher, parts_of_hashes
from glowpy.flow.ops.kernel import Batch, Row, Stream
from glowpy.flow.ops.keys import keys_of
from glowpy.shards.codec import CheckedRows
from glowpy.task.context import Context
from glowpy.task.failure import NO_ROW, StepFailed


class KeyPartitioner:
    """Places the rows of one task that writes a scattered dataset."""

    def __init__(self, kind: OutputKind, part_count: int, seed: int) -> None:
        self._keys_of = _keys_of(kind)
        self._part_count = part_count
        self._seed = seed
        self._hasher = KeyHasher()

    def parts(self, batch: Batch) -> list[int]:
        """The part of each row.

        Raises:
            RowError: a key cannot be hashed, or only by its address in memory.
        """
        hashes = self._hasher.hashes(self._keys_of(batch))
        return parts_of_hashes(hashes, self._part_count, self._seed)

    @property
    def is_own(self) -> bool:
        """Some keys of rows so far were hashed by their own class."""
        return bool(self._hasher.samples)

    def marked(self, rows: Batch) -> Batch:
        """The rows, of a type that readers check if some keys so far were hashed by their class."""
        return CheckedRows(rows) if self.is_own else rows

    def samples(self) -> CheckedRows:
        """No rows, with samples of the keys that were hashed by their own class."""
        marked = CheckedRows()
        marked.samples = tuple(
            (key, KeyHasher().hash(key)) for key in self._hasher.samples.values()
        )
        return marked


def checked(stream: Stream, kind: OutputKind, context: Context, step: Step) -> Stream:
    """The rows of a part of a scattered dataset; one that belongs to another part raises.

    Raises (when drawn from):
        StepFailed: a class hashes its objects otherwise than in the process that placed the row.
    """
    for batch in stream:
        if type(batch) is CheckedRows:
            try:
                _check(batch, kind, context)
            except Exception as exc:
                # Hashing runs the rows' own code.
                raise StepFailed(step, NO_ROW, exc) from exc
            yield list(batch)
        else:
            yield batch


def _check(batch: CheckedRows, kind: OutputKind, context: Context) -> None:
    keys = _keys_of(kind)(batch)
    hasher = KeyHasher()
    parts = parts_of_hashes(hasher.hashes(keys), context.task_count, context.hash_seed)
    for key, part in zip(keys, parts, strict=True):
        if part != context.task:
            raise _hash_differs(key)
    for key, number in batch.samples:
        if hasher.hash(key) != number:
            raise _hash_differs(key)


def _keys_of(kind: OutputKind) -> Callable[[Batch], Batch]:
    return keys_of if kind is OutputKind.SCATTER else list


def _hash_differs(key: Row) -> RowError:
    hasher = KeyHasher()
    hasher.hash(key)
    own = next(iter(hasher.samples.values()), key)  # the part of a tuple, say
    name = type(own).__qualname__
    return RowError(
        f"key {short_repr(own)} has another hash here than in the process that placed its row, so "
        f"that equal keys would be split: {name}.__hash__ depends on more than values; return "
        "hash((self.a, self.b)) of the fields that __eq__ compares, or make it a frozen dataclass "
        "or a tuple (id(), classes, and None before Python 3.12 are hashed by their address)"
    )
