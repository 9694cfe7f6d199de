"""The graph built by a flow's methods: steps, the datasets between them, and their edges.

Pure structure, no execution. Step and dataset numbers count definitions from 0, as in Glow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from glowpy.flow.ops.kernel import Op, PassOp
from glowpy.record import NamedTuple


class EdgeKind(Enum):
    """The shards of a dataset that each task of a reading step gets."""

    ONE_TO_ONE = "one to one"  # task i reads shard i
    ALL_TO_ONE = "all to one"  # the only task reads every shard, in order
    COLLECT = "collect"  # task j reads part j of every scattering task
    BROADCAST = "broadcast"  # every task reads every shard
    OFFSET = "offset"  # task i reads shard i - offset, if that shard exists (union)
    CONSECUTIVE = "consecutive"  # the tasks read consecutive shards, about the same number each


class OutputKind(Enum):
    """How the tasks of a step write their dataset."""

    ONE_SHARD = "one shard"  # task i writes shard i
    SCATTER = "scatter"  # each task distributes its rows over n parts by the hash of their key
    SCATTER_ROWS = "scatter rows"  # by the hash of the whole row
    PLACED = "placed"  # each task distributes rows of the form (part, row) over n parts
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
    """The source of rows that arrive in the driver's own store while a flow runs."""

    channel: Any  # the driver program's Channel; None in tasks
    name: str = ""  # or the name of a channel at an agent


class DatasetNode(NamedTuple):
    """Rows in shards, written by one step.

    `part_count` is the number of parts of a scattered or dealt dataset, otherwise `shard_count`. A
    node with `rows` or a `feed` has no writing step: its rows are in the driver's own store.
    """

    id: int
    shard_count: int
    part_count: int
    output_kind: OutputKind
    partitioned_by_key: bool = False
    sorted_by_key: bool = False
    rows: tuple[object, ...] | None = None  # of a slice: the user's rows; only in the driver
    feed: Feed | None = None  # of a channel: the source of its rows

    @property
    def is_drivers(self) -> bool:
        """True if the rows are in the driver's own store."""
        return self.rows is not None or self.feed is not None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class Step(NamedTuple):
    """One operator: its operation on rows, its inputs, and its output dataset."""

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
        """Return the step for messages: `Map3 (hello.py:8)`."""
        return f"{self.label} ({self.location})"


class Output(NamedTuple):
    """A channel of the driver program that receives the rows of a dataset."""

    dataset: DatasetNode
    channel: Any  # a Channel


class Graph:
    """All steps of one flow, in order of definition. The only mutable class of this module."""

    def __init__(
        self,
        flow_id: int,
        location: str,
        arguments: tuple[str, ...] | None = None,
        steps: Iterable[Step] = (),
    ) -> None:
        self.flow_id = flow_id
        self.location = location
        self.arguments = arguments  # flags passed to Flow(); None: those of sys.argv
        self.steps = list(steps)
        self._made_by_calls: set[int] = set()
        self.outputs: list[Output] = []  # in the driver only
        # Number of steps defined above glowpy.ready(), where tasks end; None: all.
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
        """Append a step and return its output dataset."""
        number = len(self.steps)
        shards = task_count if shard_count is None else shard_count
        output = DatasetNode(
            id=number,
            shard_count=shards,
            part_count=shards if part_count is None else part_count,
            output_kind=output_kind,
            partitioned_by_key=partitioned_by_key,
            sorted_by_key=sorted_by_key,
        )
        self.steps.append(
            Step(
                id=number,
                name=name,
                op=op,
                task_count=task_count,
                inputs=inputs,
                output=output,
                location=location,
            )
        )
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
        """Append a step whose tasks each distribute their rows over `part_count` parts."""
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
        """Mark the steps from number `first` on as a terminal call's own; other runs skip them."""
        self._made_by_calls |= set(range(first, len(self.steps)))

    def leaves(self) -> Iterator[DatasetNode]:
        """Return the datasets that no step reads, apart from steps of terminal calls."""
        steps = [step for step in self.steps if step.id not in self._made_by_calls]
        read = {
            dataset.id for step in steps for dataset, _edge in step.inputs if not dataset.is_drivers
        }
        return (step.output for step in steps if step.id not in read)

    def add_pass_step(
        self, name: str, source: DatasetNode, location: str, *, sorted_by_key: bool
    ) -> DatasetNode:
        """Append a step that only names a stage of Glow's plan; rows pass unchanged."""
        return self.add_step(
            name,
            PassOp(),
            ((source, ONE_TO_ONE),),
            location,
            task_count=source.shard_count,
            partitioned_by_key=source.partitioned_by_key,
            sorted_by_key=sorted_by_key,
        )
