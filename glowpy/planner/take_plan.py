"""Plans for runs with a row limit (`take`).

Elsewhere every task group computes all of its shards. In these plans the target's own tasks run the
preceding step groups too, back to the last barrier, and read their rows on demand: an endless
source is read only as far as needed, even on a single executor, and shards are computed in order.

    Source0 x1 deals to 3 shards                 Source0 > Map1 x1
    Map1 x3                           becomes      reads shard after shard of Map1 on demand,
                                                   each from the rows dealt by Source0
"""

from __future__ import annotations

from collections.abc import Sequence

from glowpy.errors import unexpected
from glowpy.flow.graph import Edge, EdgeKind, OutputKind
from glowpy.planner.plan import InputEdge, Plan, StepGroup

_BROADCAST = Edge(EdgeKind.BROADCAST)
_MOST_SHARDS = 4096  # of an input


def plan_take(plan: Plan) -> Plan:
    """Return the plan with one target, whose step group runs its predecessors where possible."""
    groups = plan.step_groups
    last = next(group for group in groups if group.output is plan.targets[0])
    inner = _inner(groups, last)
    if len(inner) == 1:
        return plan
    numbers = {group.number: number for number, group in enumerate(_outside(groups, inner))}
    made: list[StepGroup] = []
    first_group = 0
    for group in [*_outside(groups, inner), last]:
        whole = tuple(inner) if group is last else ()
        edges = _edges_from_outside(inner) if group is last else group.inputs
        made.append(
            group._replace(
                number=len(made),
                first_group=first_group,
                task_count=_task_count(inner) if whole else group.task_count,
                steps=tuple(step for each in whole for step in each.steps) or group.steps,
                inputs=tuple(
                    each._replace(source=numbers.get(each.source, each.source)) for each in edges
                ),
                pulled=whole,
                is_streaming=group.is_streaming and not whole,
            )
        )
        first_group += made[-1].task_count
    return Plan(step_groups=tuple(made), group_count=first_group, targets=plan.targets)


def _edges_from_outside(inner: Sequence[StepGroup]) -> tuple[InputEdge, ...]:
    """Return the edges in the order of `plan.places_outside`.

    The shards read by a task depend on the inner groups: each task may read them all.
    """
    numbers = {group.number for group in inner}
    return tuple(
        edge._replace(edge=_BROADCAST)
        for group in inner
        for edge in group.inputs
        if edge.source not in numbers
    )


def _outside(groups: Sequence[StepGroup], inner: Sequence[StepGroup]) -> list[StepGroup]:
    numbers = {group.number for group in inner}
    return [group for group in groups if group.number not in numbers]


def _inner(groups: Sequence[StepGroup], last: StepGroup) -> list[StepGroup]:
    """Return the target's step group and the groups that it can run, sources first."""
    readers: dict[int, int] = {}
    for group in groups:
        for edge in group.inputs:
            readers[edge.source] = readers.get(edge.source, 0) + 1
    found = {last.number}
    pending = [last]
    while pending:
        for edge in pending.pop().inputs:
            if edge.source < 0 or readers[edge.source] > 1:
                continue  # a group with several readers is computed once, and stored
            source = groups[edge.source]
            if _can_be_pulled(edge, source) and _reads_little(source):
                found.add(source.number)
                pending.append(source)
    return [group for group in groups if group.number in found]


def _can_be_pulled(edge: InputEdge, source: StepGroup) -> bool:
    if edge.edge.kind is EdgeKind.ALL_TO_ONE or edge.edge.kind is EdgeKind.BROADCAST:
        return False
    kind = source.output.output_kind
    if kind is OutputKind.ONE_SHARD or kind is OutputKind.DEAL:
        return True
    if kind is OutputKind.SCATTER or kind is OutputKind.SCATTER_ROWS:
        # A barrier, unless no work before it could run in parallel.
        return source.task_count == 1 and not source.inputs
    if kind is OutputKind.PLACED:
        return False  # a barrier: the placing step reads all its input first
    return unexpected(kind)


def _reads_little(source: StepGroup) -> bool:
    """True if the input locations are few enough to send to every task."""
    return all(edge.dataset.shard_count <= _MOST_SHARDS for edge in source.inputs)


def _task_count(inner: Sequence[StepGroup]) -> int:
    """Return one task per shard of the target, or a single task if shards share a source."""
    *before, last = inner
    apart = all(group.output.output_kind is OutputKind.ONE_SHARD for group in before)
    return last.task_count if apart else 1


def wanted_rows(step_group: StepGroup, limit: int) -> int:
    """Return the row limit of a task, for the first `limit` rows of its dataset; 0: no limit.

    A task that deals rows to n shards has written the first `limit` rows of one shard after one row
    more than n rounds but one.
    """
    kind = step_group.output.output_kind
    if kind is OutputKind.ONE_SHARD:
        return limit
    if kind is OutputKind.DEAL:
        return (limit - 1) * step_group.output.part_count + 1
    if kind is OutputKind.SCATTER or kind is OutputKind.SCATTER_ROWS or kind is OutputKind.PLACED:
        return 0  # any number of rows may precede those of the first shard
    return unexpected(kind)
