"""What a step can be made of, and the form of its kernel.

A kernel is pure: batches of rows in, batches of rows out. It meets the world only through its
`TaskContext`. Inside a kernel the variable that holds the row given to the user's function is
named `row`: when that function raises, the error report finds the row there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from glowpy.record import NamedTuple

Row: TypeAlias = Any  # one of the user's rows
Batch: TypeAlias = list[Row]
Stream: TypeAlias = Iterator[Batch]  # the rows of one shard, or of one step


class TaskContext(Protocol):
    """What a running task offers its kernels."""

    @property
    def task(self) -> int:
        """Number of this task within its step, from 0."""

    @property
    def task_count(self) -> int:
        """Number of tasks of the step."""

    @property
    def budget_bytes(self) -> int:
        """Memory that this task's buffers may take, in bytes (`-glow.task.memoryMB`)."""

    @property
    def hash_seed(self) -> int:
        """Which distribution of keys over shards the run has (`-glow.hash.seed`)."""

    @property
    def wanted_rows(self) -> int:
        """So many rows of this task are enough for the run (`take`); 0: all of them."""

    @property
    def is_streaming(self) -> bool:
        """Its rows come from a channel: what a streaming kernel holds back may be waited for."""

    def scratch(self) -> Scratch:
        """A new temporary file of this task. Nothing of it is left when the task ends."""


class Scratch(Protocol):
    """A temporary file of rows in numbered parts; a context manager: leaving it frees the disk."""

    def append(self, part: int, rows: Batch) -> None:
        """Write rows behind what the part has already, as one block.

        Raises:
            OutputError: the disk takes no more; RowError: a row cannot be pickled.
        """

    def read(self, part: int) -> Stream:
        """The blocks of a part, in order; any number of parts at once, after the last `append`."""

    def __enter__(self) -> Scratch: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


Kernel: TypeAlias = Callable[[TaskContext, Sequence[Sequence[Stream]]], Stream]


class RowKind(Enum):
    """What a step does with the value that the user's function gives for a row."""

    MAP = "map"  # it is the new row
    FILTER = "filter"  # it says whether the row stays
    FLAT_MAP = "flat_map"  # it is an iterable of new rows
    KEY_BY = "key_by"  # it is the key in front of the row
    MAP_VALUES = "map_values"  # it is the new value; the function gets the value of a pair


class RowOp(NamedTuple):
    """One call of the user's function per row. Neighbours are fused into one loop."""

    kind: RowKind
    function: Callable[..., Any]
    field_count: int  # 0: the function gets the row, or value; n >= 2: its n fields; -1: all fields
    noted_fields: int = 0  # rows of two to so many fields are noted: the function might want them


class FoldKind(Enum):
    """Which rows the user's function folds together."""

    ALL = "all"  # every row of the task into one
    BY_KEY = "by key"  # the values of each key


class FoldOp(NamedTuple):
    """Two values into one, by the user's function. Ends the loop of the row steps before it.

    A partial fold by key is a combiner: it may give several rows for a key, in any order, because
    somebody downstream folds them again.
    """

    kind: FoldKind
    function: Callable[[Row, Row], Row]
    is_partial: bool = False


class BatchOp(NamedTuple):
    """A kernel over whole streams. It gets, for each input edge, the stream of each shard.

    A kernel that `is_streaming` gives the rows that it makes of those it has got before it asks for
    more: where rows come from a channel, nobody knows when there will be more.
    """

    kernel: Kernel
    is_streaming: bool = False


class PassOp(NamedTuple):
    """Rows go through as they are: several shards one after another, in shard order."""


class TextOp(NamedTuple):
    """Lines of text files, split by byte ranges among the tasks."""

    patterns: tuple[str, ...]  # paths or globs as the user gave them
    encoding: str
    errors: str


Op: TypeAlias = RowOp | FoldOp | BatchOp | PassOp | TextOp


def passes_on(op: Op) -> bool:
    """True: what a step makes of the rows it has got leaves it before it asks for more."""
    return isinstance(op, (RowOp, PassOp)) or (isinstance(op, BatchOp) and op.is_streaming)


def deal_round_robin(rows: Batch, first: int, part_count: int) -> Iterator[tuple[int, Batch]]:
    """Rows dealt round robin to parts, from part `first` on; each part that gets any, and its rows.

    >>> list(deal_round_robin(list("abcd"), 2, 3))
    [(2, ['a', 'd']), (0, ['b']), (1, ['c'])]
    """
    for offset in range(min(part_count, len(rows))):
        yield (first + offset) % part_count, rows[offset::part_count]


def chain(streams: Sequence[Stream]) -> Stream:
    """All batches of several shards, in shard order."""
    for stream in streams:
        yield from stream
