"""The plan of one run: step groups, their task groups, and the flow of shards between them.

A plan is pure structure: names, counts and edges. The user's functions are reachable only through
the flow's own `Step` objects.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any

from glowpy.errors import unexpected
from glowpy.flow.graph import DatasetNode, Edge, EdgeKind, OutputKind, Step
from glowpy.flow.ops.kernel import BatchOp, passes_on
from glowpy.record import NamedTuple


class ShardRef(NamedTuple):
    """One shard of an input: the task group that writes the shard, and its number in the dataset.

    `group` is -1 for a shard in the driver's own store (rows of a `slice`).
    """

    group: int
    dataset: int
    shard: int


class InputEdge(NamedTuple):
    """The way the tasks of a step group read one dataset."""

    source: int  # index of the producing step group; -1: the driver's own store
    dataset: DatasetNode
    edge: Edge

    @property
    def is_pairwise(self) -> bool:
        """True if task i waits for one task of the source; False if it waits for all of them."""
        return self.dataset.output_kind is OutputKind.ONE_SHARD and self.edge.kind in (
            EdgeKind.ONE_TO_ONE,
            EdgeKind.OFFSET,
        )


class StepGroup(NamedTuple):
    """Steps fused into one pass over the rows, run by `task_count` task groups."""

    number: int
    steps: tuple[Step, ...]
    task_count: int
    first_group: int  # number of its first task group
    inputs: tuple[InputEdge, ...]
    output: DatasetNode
    is_stored: bool  # False: no reader, the rows are dropped
    fusion_barrier: str = ""  # why the group is not merged with the group that it reads
    # For the target of a `take`: the groups that its tasks run themselves, the target's own last.
    pulled: tuple[StepGroup, ...] = ()
    is_streaming: bool = False  # fed by a channel, before any step that waits for all rows

    @property
    def groups(self) -> range:
        return range(self.first_group, self.first_group + self.task_count)

    @property
    def is_streaming_source(self) -> bool:
        """True if the output can be read while the input is incomplete."""
        return self.is_streaming and all(passes_on(step.op) for step in self.steps)


_FIRST_GROUP = itemgetter(StepGroup._fields.index("first_group"))


class TaskGroup(NamedTuple):
    """One task of every step of a step group: the unit of work of an executor."""

    plan: Plan
    number: int
    step_group: StepGroup
    task: int  # 0 .. task_count - 1

    @property
    def reads(self) -> tuple[tuple[ShardRef, ...], ...]:
        """The input shards: by input edge, in the order of consumption."""
        return tuple(
            tuple(self.plan.shard(edge, number) for number in shards_read(edge, self.task))
            for edge in self.step_group.inputs
        )

    @property
    def writes(self) -> range:
        """The shard numbers of the output that the task writes, in the order of its parts."""
        return shards_written(self.step_group, self.task)

    @property
    def label(self) -> str:
        """The group for messages: `Filter1>Map2>LocalReduce4 (hello.py:8) task 0 of 2`."""
        steps, count = self.step_group.steps, self.step_group.task_count
        lines = ", ".join(dict.fromkeys(step.location for step in steps))
        names = f"{'>'.join(step.label for step in steps)} ({lines})"
        return names if count == 1 else f"{names} task {self.task} of {count}"


class Plan(NamedTuple):
    """The computation of one run.

    `targets` are the datasets of the terminal call, `outputs` those whose rows are sent to channels
    of the driver program.
    """

    step_groups: tuple[StepGroup, ...]
    group_count: int
    targets: tuple[DatasetNode, ...]
    outputs: tuple[DatasetNode, ...] = ()

    def task_group(self, group: int) -> TaskGroup:
        """Return the task group of this number, in O(log n)."""
        number = bisect_right(self.step_groups, group, key=_FIRST_GROUP) - 1
        step_group = self.step_groups[number]
        return TaskGroup(
            plan=self, number=group, step_group=step_group, task=group - step_group.first_group
        )

    def step_group_of(self, group: int) -> StepGroup:
        return self.task_group(group).step_group

    def shard(self, edge: InputEdge, number: int) -> ShardRef:
        if edge.source < 0:
            return ShardRef(-1, edge.dataset.id, number)
        source = self.step_groups[edge.source]
        return ShardRef(writer_of(source, number), edge.dataset.id, number)

    @property
    def has_streaming_groups(self) -> bool:
        """True if any group runs while a channel is open."""
        return any(step_group.is_streaming for step_group in self.step_groups)

    def mixed_edges(self, group: int) -> tuple[bool, ...]:
        """Return for each input edge whether its shards form one stream, in order of arrival."""
        step_group = self.step_group_of(group)
        return tuple(self.mixes(step_group, edge) for edge in step_group.inputs)

    def mixes(self, step_group: StepGroup, edge: InputEdge) -> bool:
        """True if rows of several shards are read in the order of arrival, not shard by shard.

        Streaming inputs are read so: waiting for the end of the first shard would block the rows of
        the others.
        """
        if not step_group.is_streaming or not passes_on(step_group.steps[0].op):
            return False
        if edge.source < 0:
            return edge.dataset.feed is not None
        return self.step_groups[edge.source].is_streaming_source

    def is_unsteady(self, group: int) -> bool:
        """True if another attempt of the group may write other rows to some of its shards.

        The rows then depend on the order of the input, and some step before reads in the order of
        arrival.
        """
        step_group = self.step_group_of(group)
        heeds_order = step_group.output.output_kind is OutputKind.DEAL or any(
            isinstance(step.op, BatchOp) and step.op.is_streaming for step in step_group.steps
        )
        if not heeds_order:
            return False
        pending, seen = [step_group], {step_group.number}
        while pending:
            each = pending.pop()
            for edge in each.inputs:
                if self.mixes(each, edge) and edge.dataset.shard_count > 1:
                    return True
                if edge.source >= 0 and edge.source not in seen:
                    seen.add(edge.source)
                    pending.append(self.step_groups[edge.source])
        return False

    @property
    def first_attempt(self) -> int:
        """Return the lowest number of an attempt.

        Datasets in the driver's own store use their numbers as attempts.
        """
        steps = (step for step_group in self.step_groups for step in step_group.steps)
        return 1 + max((step.output.id for step in steps), default=0)

    def kept_by_driver(self) -> list[DatasetNode]:
        """Return the datasets in the driver's own store, each once."""
        edges = (edge for step_group in self.step_groups for edge in step_group.inputs)
        return list(dict.fromkeys(edge.dataset for edge in edges if edge.source < 0))

    def reader_of(self, dataset: DatasetNode) -> Step:
        """Return the step that reads a dataset of the driver's own store, for messages."""
        steps = (
            step
            for step_group in self.step_groups
            for each in (step_group, *step_group.pulled)
            for step in each.steps
        )
        return next(step for step in steps if any(node is dataset for node, _ in step.inputs))

    def output_shards(self, dataset: DatasetNode) -> Iterator[ShardRef]:
        """Yield every shard of a target dataset, in shard order."""
        for step_group in self.step_groups:
            if step_group.output is dataset:
                for number in range(dataset.shard_count):
                    yield ShardRef(writer_of(step_group, number), dataset.id, number)
                return
        for number in range(dataset.shard_count):
            yield ShardRef(-1, dataset.id, number)


def steps_of(plan: Plan) -> list[Step]:
    """Return the steps run by the tasks of a plan, in order."""
    groups = [each for group in plan.step_groups for each in (group, *group.pulled)]
    steps = {step.id: step for group in groups for step in group.steps}
    return [steps[number] for number in sorted(steps)]


def may_capture(plan: Plan) -> bool:
    """True if a function of the run may reach a value of the driver. Fast; False is certain."""
    return any(_captures(part) for step in steps_of(plan) for part in _parts_of(step.op))


def _parts_of(operator: Any) -> Iterable[Any]:
    kernel = getattr(operator, "kernel", operator)
    if isinstance(kernel, partial):
        return (*kernel.args, *kernel.keywords.values())
    return (getattr(kernel, "function", None),)


def _captures(value: Any) -> bool:
    kind = type(value)  # isinstance() would run the code of a proxy
    if kind is FunctionType:
        has_values = value.__closure__ or value.__defaults__ or value.__kwdefaults__
        return bool(has_values) or _names_any(value.__code__, value.__globals__)
    if issubclass(kind, (BuiltinFunctionType, type)):
        return value.__module__ not in ("builtins", "_operator")
    return not issubclass(kind, (int, float, str, bytes, type(None)))


def _names_any(code: CodeType, names: Mapping[str, Any]) -> bool:
    """True if a function, or an inner function, names a global."""
    return any(name in names for name in code.co_names) or any(
        _names_any(constant, names) for constant in code.co_consts if isinstance(constant, CodeType)
    )


def shards_read(edge: InputEdge, task: int) -> range:
    """Return the shard numbers that one task reads over this edge.

    A dataset scattered or dealt by m tasks into n parts has m·n shards: part j of task i is shard
    j·m + i, as in Glow, so that the parts read by a collecting task are adjacent.
    """
    kind, count = edge.edge.kind, edge.dataset.shard_count
    if kind is EdgeKind.ONE_TO_ONE:
        return range(task, task + 1)
    if kind is EdgeKind.OFFSET:
        number = task - edge.edge.offset
        return range(number, number + 1) if 0 <= number < count else range(0)
    if kind is EdgeKind.COLLECT:
        writers = count // edge.dataset.part_count
        return range(task * writers, (task + 1) * writers)
    if kind is EdgeKind.CONSECUTIVE:
        readers = edge.edge.reader_count
        return range(task * count // readers, (task + 1) * count // readers)
    if kind is EdgeKind.ALL_TO_ONE or kind is EdgeKind.BROADCAST:
        return range(count)
    return unexpected(kind)


def writer_of(step_group: StepGroup, shard: int) -> int:
    """Return the task group that writes a shard of the step group's output."""
    return step_group.first_group + shard % step_group.task_count


def shards_written(step_group: StepGroup, task: int) -> range:
    """Return the shard numbers of the output that one task writes, in the order of its parts."""
    return range(task, step_group.output.shard_count, step_group.task_count)


def tasks_of(step_group: StepGroup, task: int) -> range:
    """Return the tasks of the target run by one task of a step group with `pulled` groups."""
    return range(task, step_group.pulled[-1].task_count, step_group.task_count)


def places_outside(step_group: StepGroup) -> dict[tuple[int, int], int]:
    """Return the input number for each outer edge of the groups in `pulled`.

    Edges are named by step group and position; edges between pulled groups are left out.
    """
    inner = {group.number for group in step_group.pulled}
    edges = [
        (group.number, place)
        for group in step_group.pulled
        for place, edge in enumerate(group.inputs)
        if edge.source not in inner
    ]
    return {edge: number for number, edge in enumerate(edges)}
