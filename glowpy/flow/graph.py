"""The graph that a flow's methods build: steps, the datasets between them, and their edges.

Pure structure, no execution. Step and dataset numbers count definitions from 0, as in Glow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from glowpy.flow.ops.kernel import Op, PassOp
from glowpy.record import NamedTuple


class EdgeKind(Enum):
    """Which shards of a dataset each task of a reading step gets."""

    ONE_TO_ONE = "one to one"  # task i reads shard i
    ALL_TO_ONE = "all to one"  # the only task reads every shard, in order
    COLLECT = "collect"  # task j reads part j of every scattering task
    BROADCAST = "broadcast"  # every task reads every shard
    OFFSET = "offset"  # task i reads shard i - offset, if there is one (union)
    CONSECUTIVE = "consecutive"  # n tasks share the shards out in order, about as many to each


class OutputKind(Enum):
    """How the tasks of a step write their dataset."""

    ONE_SHARD = "one shard"  # task i writes shard i
    SCATTER = "scatter"  # each task spreads its rows over n parts by the hash of their key
    SCATTER_ROWS = "scatter rows"  # the same, by the hash of the whole row
    PLACED = "placed"  # each task spreads its rows over n parts; they come as (part, row)
    DEAL = "deal"  # each task deals its rows round robin to n parts


SCATTERED = (OutputKind.SCATTER, OutputKind.SCATTER_ROWS)


class Edge(NamedTuple):
    """How a step reads one of its inputs."""

    kind: EdgeKind
    offset: int = 0  # of OFFSET
    reader_count: int = 0  # of CONSECUTIVE: number of tasks


ONE_TO_ONE = Edge(EdgeKind.ONE_TO_ONE)
ALL_TO_ONE = Edge(EdgeKind.ALL_TO_ONE)
COLLECT = Edge(EdgeKind.COLLECT)
BROADCAST = Edge(EdgeKind.BROADCAST)


class Feed(NamedTuple):
    """What brings rows into the driver's own store while a flow runs."""

    channel: Any  # the driver program's Channel, in the driver only
    name: str = ""  # or the channel of that name at an agent


class DatasetNode(NamedTuple):
    """Rows in shards, written by one step.

    `part_count` is the number of parts of a scattered or dealt dataset, otherwise `shard_count`. A
    node with `rows` or a `feed` is written by no step: its rows are in the driver's own store.
    """

    id: int
    shard_count: int
    part_count: int
    output_kind: OutputKind
    partitioned_by_key: bool = False
    sorted_by_key: bool = False
    rows: tuple[object, ...] | None = None  # of a slice: the user's rows, driver only
    feed: Feed | None = None  # of a channel: its rows come while the flow runs

    @property
    def is_drivers(self) -> bool:
        """Its rows are in the driver's own store."""
        return self.rows is not None or self.feed is not None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class Step(NamedTuple):
    """One operator: what it does to rows, what it reads, and the dataset it writes."""

    id: int
    name: str
    op: Op
    task_count: int
    inputs: tuple[tuple[DatasetNode, Edge], ...]
    output: DatasetNode
    location: str  # the user's "file:line"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def label(self) -> str:
        return f"{self.name}{self.id}"

    def describe(self) -> str:
        """For messages: `Map3 (hello.py:8)`."""
        return f"{self.label} ({self.location})"


class Output(NamedTuple):
    """A channel of the driver program that gets the rows of a dataset."""

    dataset: DatasetNode
    channel: Any  # a Channel


class Graph:
    """All steps of one flow, in order of definition. The only mutable part: it grows."""

    def __init__(
        self,
        flow_id: int,
        location: str,
        arguments: tuple[str, ...] | None = None,
        steps: Iterable[Step] = (),
    ) -> None:
        self.flow_id = flow_id
        self.location = location
        self.arguments = arguments  # flags given to Flow(), instead of sys.argv
        self.steps = list(steps)
        self._made_by_calls: set[int] = set()
        self.outputs: list[Output] = []  # of the driver only
        # How many of the steps stand above glowpy.ready(), where tasks end; None: all of them do.
        self.shared_step_count: int | None = None

    def is_shared(self, targets: Iterable[int]) -> bool:
        """True if tasks that run the script down to glowpy.ready() have defined these datasets."""
        return self.shared_step_count is None or max(targets) < self.shared_step_count

    def add_step(
        self,
        name: str,
        op: Op,
        inputs: tuple[tuple[DatasetNode, Edge], ...],
        location: str,
        *,
        task_count: int,
        shard_count: int | None = None,
        part_count: int | None = None,
        output_kind: OutputKind = OutputKind.ONE_SHARD,
        partitioned_by_key: bool = False,
        sorted_by_key: bool = False,
    ) -> DatasetNode:
        """Append a step and return the dataset that it writes."""
        number = len(self.steps)
        shards = task_count if shard_count is None else shard_count
        output = DatasetNode(
            number,
            shards,
            shards if part_count is None else part_count,
            output_kind,
            partitioned_by_key,
            sorted_by_key,
        )
        self.steps.append(Step(number, name, op, task_count, inputs, output, location))
        return output

    def add_scatter_step(
        self,
        name: str,
        op: Op,
        source: DatasetNode,
        location: str,
        *,
        part_count: int,
        output_kind: OutputKind,
    ) -> DatasetNode:
        """A step whose tasks each spread the rows of their shard over so many parts."""
        return self.add_step(
            name,
            op,
            ((source, ONE_TO_ONE),),
            location,
            task_count=source.shard_count,
            shard_count=source.shard_count * part_count,
            part_count=part_count,
            output_kind=output_kind,
        )

    def step_of(self, dataset: DatasetNode) -> Step:
        return self.steps[dataset.id]

    def made_by_call(self, first: int) -> None:
        """The steps from this number on belong to a terminal call: no other run is to run them."""
        self._made_by_calls |= set(range(first, len(self.steps)))

    def leaves(self) -> Iterator[DatasetNode]:
        """Datasets that no step reads, apart from steps of terminal calls."""
        steps = [step for step in self.steps if step.id not in self._made_by_calls]
        read = {
            dataset.id for step in steps for dataset, _edge in step.inputs if not dataset.is_drivers
        }
        return (step.output for step in steps if step.id not in read)

    def add_pass_step(
        self, name: str, source: DatasetNode, location: str, *, sorted_by_key: bool
    ) -> DatasetNode:
        """A step that only names a stage of Glow's plan: rows go through as they are."""
        return self.add_step(
            name,
            PassOp(),
            ((source, ONE_TO_ONE),),
            location,
            task_count=source.shard_count,
            partitioned_by_key=source.partitioned_by_key,
            sorted_by_key=sorted_by_key,
        )
