"""Fusion of steps into step groups (Go: driver/plan/group.go).

A step joins its parent's group if it reads a single dataset, the step counts of shards, readers and
writers are equal, no other step reads the dataset, and each shard has one reader.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from glowpy.flow.graph import DatasetNode, EdgeKind, Graph, Step
from glowpy.flow.ops.kernel import passes_on
from glowpy.planner.plan import InputEdge, Plan, StepGroup

_ONE_READER_PER_SHARD = {EdgeKind.ONE_TO_ONE, EdgeKind.ALL_TO_ONE, EdgeKind.COLLECT}


def make_plan(
    graph: Graph,
    targets: Sequence[DatasetNode],
    *,
    stored: bool,
    limit: int = 0,
    outputs: Sequence[DatasetNode] = (),
    drawn: bool = False,
) -> Plan:
    """Return the plan of the steps needed for `targets`.

    Args:
        stored: the driver reads the rows of the targets; otherwise they are dropped.
        limit: row limit of the only target; 0 means no limit.
        outputs: datasets whose rows the driver reads if the plan computes them.
        drawn: return Glow's plan, without the simplifications of a run.
    """
    needed = needed_steps(graph, targets)
    computed = {step.id for step in needed}
    outputs = [dataset for dataset in outputs if dataset.id in computed]
    reader_count: dict[int, int] = {}
    for step in needed:
        for dataset, _edge in step.inputs:
            if not dataset.is_drivers:
                reader_count[dataset.id] = reader_count.get(dataset.id, 0) + 1
    kept = {dataset.id for dataset in (*targets, *outputs)}
    chains: list[list[Step]] = []
    chain_of: dict[int, int] = {}  # step number -> its chain
    reasons: list[str] = []  # by chain: the reason that its first step starts a new group
    for step in needed:
        reason = _fusion_barrier(graph, step, reader_count, kept)
        if reason:
            chain_of[step.id] = len(chains)
            chains.append([step])
            reasons.append(reason)
        else:
            parent = step.inputs[0][0]
            chain_of[step.id] = chain_of[parent.id]
            chains[chain_of[step.id]].append(step)
    stored_ids = {dataset.id for dataset in (*(targets if stored else ()), *outputs)}
    step_groups = _assemble(chains, reasons, chain_of, stored_ids | reader_count.keys())
    group_count = sum(step_group.task_count for step_group in step_groups)
    plan = Plan(
        step_groups=tuple(step_groups),
        group_count=group_count,
        targets=tuple(targets),
        outputs=tuple(outputs),
    )
    if limit and not drawn:
        from glowpy.planner.take_plan import plan_take

        return plan_take(plan)
    # the self-join of a slice has three groups, one of which collects
    if len(step_groups) > 2 and not drawn:
        from glowpy.planner.relay_groups import skip_relay_groups

        return skip_relay_groups(plan)
    return plan


def needed_steps(graph: Graph, targets: Sequence[DatasetNode]) -> list[Step]:
    """Return the steps needed for the targets, in order of definition."""
    found: set[int] = set()
    pending = [dataset.id for dataset in targets]
    while pending:
        number = pending.pop()
        if number in found:
            continue
        found.add(number)
        pending += (
            dataset.id for dataset, _edge in graph.steps[number].inputs if not dataset.is_drivers
        )
    return [graph.steps[number] for number in sorted(found)]


def _fusion_barrier(graph: Graph, step: Step, reader_count: dict[int, int], kept: set[int]) -> str:
    """Return the reason that a step cannot be merged into the step before; empty if it can."""
    if not step.inputs:
        return "it is a source"
    if len(step.inputs) > 1:
        return f"it reads {len(step.inputs)} datasets"
    dataset, edge = step.inputs[0]
    if dataset.is_drivers:
        return "it reads rows that the driver keeps"
    parent = graph.step_of(dataset)
    if not step.task_count == dataset.shard_count == parent.task_count:
        return (
            f"tasks do not match: {parent.task_count} write {dataset.shard_count} shards, "
            f"{step.task_count} read them"
        )
    if edge.kind not in _ONE_READER_PER_SHARD:
        return f"each shard has several readers ({edge.kind.value})"
    if reader_count[dataset.id] > 1:
        return f"{parent.label} is read by {reader_count[dataset.id]} steps"
    if dataset.id in kept:
        return f"the rows of {parent.label} are asked for"
    return ""


def _assemble(
    chains: list[list[Step]], reasons: list[str], chain_of: dict[int, int], stored_ids: Set[int]
) -> list[StepGroup]:
    step_groups: list[StepGroup] = []
    first_group = 0
    for index, steps in enumerate(chains):
        output = steps[-1].output
        inputs = tuple(
            InputEdge(-1 if dataset.is_drivers else chain_of[dataset.id], dataset, edge)
            for dataset, edge in steps[0].inputs
        )
        step_groups.append(
            StepGroup(
                number=index,
                steps=tuple(steps),
                task_count=steps[0].task_count,
                first_group=first_group,
                inputs=inputs,
                output=output,
                is_stored=output.id in stored_ids,
                fusion_barrier=reasons[index],
                is_streaming=_is_streaming(steps[0], inputs, step_groups),
            )
        )
        first_group += steps[0].task_count
    return step_groups


def _is_streaming(first: Step, inputs: Sequence[InputEdge], before: Sequence[StepGroup]) -> bool:
    """Return True if a step group gets rows from a channel while the channel is open.

    A step that waits for all rows ends the streaming part, unless it reads the channel itself: its
    group may as well start when all rows have arrived.
    """
    if any(edge.source < 0 and edge.dataset.feed is not None for edge in inputs):
        return True
    sources = [before[edge.source] for edge in inputs if edge.source >= 0]
    return passes_on(first.op) and any(source.is_streaming_source for source in sources)
