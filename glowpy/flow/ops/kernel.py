"""The operations of steps, and the interface of kernels.

A kernel is pure: batches of rows in, batches of rows out. Its only access to the system is its
`TaskContext`. Inside a kernel, the variable with the row passed to the user's function is named
`row`: when the function raises, the error report finds the row there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from glowpy.record import NamedTuple

Row: TypeAlias = Any  # one of the user's rows
Batch: TypeAlias = list[Row]
Stream: TypeAlias = Iterator[Batch]  # the rows of one shard, or the output of one step


class TaskContext(Protocol):
    """The services of a running task for its kernels."""

    @property
    def task(self) -> int:
        """Number of this task within its step, from 0."""

    @property
    def task_count(self) -> int:
        """Number of tasks of the step."""

    @property
    def budget_bytes(self) -> int:
        """Memory budget of this task's buffers, in bytes (`-glow.task.memoryMB`)."""

    @property
    def hash_seed(self) -> int:
        """Number of the run's distribution of keys over shards (`-glow.hash.seed`)."""

    @property
    def wanted_rows(self) -> int:
        """Row limit of this task, set by `take`; 0 means no limit."""

    @property
    def is_streaming(self) -> bool:
        """True if the rows come from a channel: a streaming kernel must then hold no rows back."""

    def scratch(self) -> Scratch:
        """Return a new temporary file, which disappears with the task."""


class Scratch(Protocol):
    """A temporary file of rows in numbered parts. A context manager that frees the disk."""

    def append(self, part: int, rows: Batch) -> None:
        """Append rows to a part, as one block.

        Raises:
            OutputError: the file cannot be written.
            RowError: a row cannot be pickled.
        """

    def read(self, part: int) -> Stream:
        """Yield the blocks of a part in order; parts may be read concurrently after all writes."""

    def __enter__(self) -> Scratch: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


Kernel: TypeAlias = Callable[[TaskContext, Sequence[Sequence[Stream]]], Stream]


class RowKind(Enum):
    """The use of the result of the user's function for a row."""

    MAP = "map"  # the new row
    FILTER = "filter"  # true if the row stays
    FLAT_MAP = "flat_map"  # an iterable of new rows
    KEY_BY = "key_by"  # the key of a pair with the row
    MAP_VALUES = "map_values"  # the new value; the function gets the value of a pair


class RowOp(NamedTuple):
    """One call of the user's function per row. Adjacent row operations are fused into one loop."""

    kind: RowKind
    function: Callable[..., Any]
    field_count: int  # 0: the function gets the row, or value; n >= 2: n fields; -1: all fields
    noted_fields: int = 0  # note rows of 2 to this many fields, which the function might expect


class FoldKind(Enum):
    """The rows folded together by the user's function."""

    ALL = "all"  # every row of the task into one
    BY_KEY = "by key"  # the values of each key


class FoldOp(NamedTuple):
    """A fold of two values into one, by the user's function. Ends a loop of row operations.

    A partial fold by key is a combiner: it may yield several rows for a key, in any order, because
    a later step folds them again.
    """

    kind: FoldKind
    function: Callable[[Row, Row], Row]
    is_partial: bool = False


class BatchOp(NamedTuple):
    """A kernel over whole streams. The kernel gets, for each input edge, the stream of each shard.

    With `is_streaming`, the kernel yields the output of its input so far before it requests more:
    the next row of a channel may take any time to arrive.
    """

    kernel: Kernel
    is_streaming: bool = False


class PassOp(NamedTuple):
    """Rows pass unchanged: several shards one after another, in shard order."""


class TextOp(NamedTuple):
    """Lines of text files, split by byte ranges among the tasks."""

    patterns: tuple[str, ...]  # paths or globs as written by the user
    encoding: str
    errors: str


Op: TypeAlias = RowOp | FoldOp | BatchOp | PassOp | TextOp


def passes_on(op: Op) -> bool:
    """True if the step yields the output of its input so far before it requests more."""
    return isinstance(op, (RowOp, PassOp)) or (isinstance(op, BatchOp) and op.is_streaming)


def deal_round_robin(rows: Batch, first: int, part_count: int) -> Iterator[tuple[int, Batch]]:
    """Yield the rows for each part, dealt in turn from part `first` on; skip parts without rows.

    >>> list(deal_round_robin(list("abcd"), 2, 3))
    [(2, ['a', 'd']), (0, ['b']), (1, ['c'])]
    """
    for offset in range(min(part_count, len(rows))):
        yield (first + offset) % part_count, rows[offset::part_count]


def chain(streams: Sequence[Stream]) -> Stream:
    """Yield all batches of several shards, in shard order."""
    for stream in streams:
        yield from stream
