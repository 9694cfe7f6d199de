"""Assigns rows to shards by the hashes of their keys, and verifies the assignment when reading.

The hash of most keys follows from their value. A class with its own `__hash__` may compute a hash
that depends on the process: from id(), or from a class. The tasks that write would then split equal
keys over several shards. A writer therefore marks the rows of such keys, and adds samples of the
keys with their hashes to each shard. A reader hashes both again and compares.
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
    """Assigns the rows of one task to the shards of a scattered dataset."""

    def __init__(self, kind: OutputKind, part_count: int, seed: int) -> None:
        self._keys_of = _keys_of(kind)
        self._part_count = part_count
        self._seed = seed
        self._hasher = KeyHasher()

    def parts(self, batch: Batch) -> list[int]:
        """Return the part number of each row.

        Raises:
            RowError: a key cannot be hashed, or only by its address in memory.
        """
        hashes = self._hasher.hashes(self._keys_of(batch))
        return parts_of_hashes(hashes, self._part_count, self._seed)

    @property
    def is_own(self) -> bool:
        """True if the `__hash__` of a user's class hashed any key so far."""
        return bool(self._hasher.samples)

    def marked(self, rows: Batch) -> Batch:
        """Return the rows, as `CheckedRows` if a user's `__hash__` hashed any key so far."""
        return CheckedRows(rows) if self.is_own else rows

    def samples(self) -> CheckedRows:
        """Return an empty batch with samples of the keys hashed by a user's `__hash__`."""
        marked = CheckedRows()
        marked.samples = tuple(
            (key, KeyHasher().hash(key)) for key in self._hasher.samples.values()
        )
        return marked


def checked(stream: Stream, kind: OutputKind, context: Context, step: Step) -> Stream:
    """Yield the rows of a part of a scattered dataset; raise for a row of another part.

    Raises (when drawn from):
        StepFailed: a class computes other hashes here than in the process that placed the row.
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
    own = next(iter(hasher.samples.values()), key)  # for a tuple, the element with the `__hash__`
    name = type(own).__qualname__
    return RowError(
        f"key {short_repr(own)} has another hash here than in the process that placed its row, so "
        f"that equal keys would be split: {name}.__hash__ depends on more than values; return "
        "hash((self.a, self.b)) of the fields that __eq__ compares, or make it a frozen dataclass "
        "or a tuple (id(), classes, and None before Python 3.12 are hashed by their address)"
    )
