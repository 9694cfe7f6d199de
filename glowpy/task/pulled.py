"""A task that computes its input on demand, row by row, for `take`: see `planner/take_plan`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from glowpy.flow.graph import SCATTERED, EdgeKind, OutputKind
from glowpy.flow.ops.kernel import Batch, Scratch, Stream, deal_round_robin
from glowpy.planner.plan import StepGroup, places_outside, shards_read, tasks_of
from glowpy.planner.run_description import InputFile
from glowpy.planner.take_plan import wanted_rows
from glowpy.task.context import Context
from glowpy.task.failure import NO_ROW, StepFailed
from glowpy.task.pipeline import RowObserver, build

if TYPE_CHECKING:
    from glowpy.task.partitioning import KeyPartitioner

Listings = dict[int, tuple[InputFile, ...]]
Given = Mapping[tuple[int, int], Stream]  # shards of other step groups, by input and shard


def build_take(
    step_group: StepGroup,
    context: Context,
    given: Given,
    listings: Listings,
    limit: int,
    observe_rows: RowObserver | None,
) -> Stream:
    """Yield the rows of all shards of this task, in shard order."""
    with ExitStack() as opened:
        puller = _Puller(step_group, context, given, listings, limit, observe_rows, opened)
        for task in tasks_of(step_group, context.task):
            yield from puller.rows_of(step_group.pulled[-1], task)


class _Puller:
    """The step groups of a task, with their open streams."""

    def __init__(
        self,
        step_group: StepGroup,
        context: Context,
        given: Given,
        listings: Listings,
        limit: int,
        observe_rows: RowObserver | None,
        opened: ExitStack,
    ) -> None:
        self._places = places_outside(step_group)
        self._inner = {group.number: group for group in step_group.pulled}
        self._context = context
        self._given = given
        self._listings = listings
        self._limit = limit
        self._observe_rows = observe_rows
        self._opened = opened
        self._is_read_again = step_group.task_count == 1  # one task runs all tasks of its groups
        self._copied: dict[tuple[int, int], _Copied] = {}  # by input and shard
        self._dealt: dict[tuple[int, int], _Dealt] = {}  # by step group and its task
        # One file for all parts: there may be more tasks than descriptors.
        self._scratch = opened.enter_context(context.scratch())
        self._place = 0  # of the next part in the file

    def rows_of(self, group: StepGroup, task: int) -> Stream:
        """Return the stream of one task of a step group."""
        context = self._context._replace(
            task=task,
            task_count=group.task_count,
            wanted_rows=wanted_rows(group, self._limit),
        )
        edges = [
            [self._shard(group, place, shard) for shard in shards_read(edge, task)]
            for place, edge in enumerate(group.inputs)
        ]
        return build(group, context, edges, self._listings, self._observe_rows)

    def _shard(self, group: StepGroup, place: int, shard: int) -> Stream:
        outside = self._places.get((group.number, place))
        if outside is not None:
            return self._from_outside(group, place, outside, shard)
        source = self._inner[group.inputs[place].source]
        task, part = shard % source.task_count, shard // source.task_count
        if source.output.output_kind is OutputKind.ONE_SHARD:
            return self._later(source, task)
        key = source.number, task
        if key not in self._dealt:
            stream = self._opened.enter_context(closing(self._later(source, task)))
            self._dealt[key] = _Dealt(
                stream, source, task, self._scratch, self._place, self._context.hash_seed
            )
            self._place += source.output.part_count
        return self._dealt[key].part(part)

    def _from_outside(self, group: StepGroup, place: int, outside: int, shard: int) -> Stream:
        """Return a shard written by another step group."""
        stream = self._given[outside, shard]
        if not self._is_read_again or group.inputs[place].edge.kind is not EdgeKind.BROADCAST:
            return stream
        key = outside, shard
        if key not in self._copied:
            self._copied[key] = _Copied(stream, self._scratch, self._place)
            self._place += 1
        return self._copied[key].rows()

    def _later(self, group: StepGroup, task: int) -> Generator[Batch, None, None]:
        """Open the stream of a task at the first request."""
        yield from self.rows_of(group, task)


class _Copied:
    """A shard with several readers: the first reader copies the whole shard to disk."""

    def __init__(self, stream: Stream, scratch: Scratch, place: int) -> None:
        self._stream = stream
        self._scratch = scratch
        self._place = place

    def rows(self) -> Stream:
        for batch in self._stream:  # exhausted after the first reader
            self._scratch.append(self._place, batch)
        yield from self._scratch.read(self._place)


class _Dealt:
    """The parts of a task that distributes its rows, read in the order of the parts.

    Rows of later parts wait on disk.
    """

    def __init__(
        self,
        stream: Stream,
        group: StepGroup,
        task: int,
        scratch: Scratch,
        place: int,
        hash_seed: int,
    ) -> None:
        self._stream = stream
        self._group = group
        self._scratch = scratch
        self._place = place  # of its first part in the file
        self._hash_seed = hash_seed
        self._partitioner: KeyPartitioner | None = None  # for scattered rows
        self._part_count = group.output.part_count
        self._next_part = task % self._part_count  # of the next row dealt round robin

    def part(self, number: int) -> Stream:
        """Yield the rows of one part. Rows of earlier parts are dropped."""
        yield from self._scratch.read(self._place + number)
        for batch in self._stream:
            parts = self._spread(batch)
            for later in range(number + 1, self._part_count):
                if parts[later]:
                    self._scratch.append(self._place + later, parts[later])
            yield parts[number]

    def _spread(self, batch: Batch) -> list[Batch]:
        count = self._part_count
        parts: list[Batch] = [[] for _ in range(count)]
        kind = self._group.output.output_kind
        if kind is OutputKind.DEAL:
            for number, rows in deal_round_robin(batch, self._next_part, count):
                parts[number] = rows
            self._next_part = (self._next_part + len(batch)) % count
        elif kind in SCATTERED:
            for number, row in zip(self._placed(batch), batch, strict=True):
                parts[number].append(row)
        else:  # ONE_SHARD has no parts; PLACED is a barrier for `planner/take_plan`
            raise AssertionError(f"{self._group.steps[-1].label} cannot be pulled: {kind}")
        return parts

    def _placed(self, batch: Batch) -> list[int]:
        if self._partitioner is None:
            from glowpy.task.partitioning import KeyPartitioner

            kind = self._group.output.output_kind
            self._partitioner = KeyPartitioner(kind, self._part_count, self._hash_seed)
        try:
            return self._partitioner.parts(batch)
        except Exception as exc:
            # Hashing runs the rows' own code.
            raise StepFailed(self._group.steps[-1], NO_ROW, exc) from exc
