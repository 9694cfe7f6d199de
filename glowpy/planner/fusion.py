"""Fusing steps into step groups (Go: driver/plan/group.go).

A step joins its parent's group when it has one input dataset with as many shards as it has tasks,
whose own step has as many tasks, read by this step alone, each shard by one task.
"""

from __future__ import annotations

from collections.abc import Sequence

from glowpy.flow.graph import DatasetNode, EdgeKind, Graph, Step
from glowpy.planner.plan import InputEdge, Plan, StepGroup

_ONE_READER_PER_SHARD = {EdgeKind.ONE_TO_ONE, EdgeKind.ALL_TO_ONE, EdgeKind.COLLECT}


def make_plan(graph: Graph, targets: Sequence[DatasetNode], *, stored: bool) -> Plan:
    """What has to be computed for `targets`, and nothing else.

    Args:
        stored: the driver wants the rows of the targets; otherwise they are drained.
    """
    needed = _ancestors(graph, targets)
    reader_count: dict[int, int] = {}
    for step in needed:
        for dataset, _edge in step.inputs:
            if dataset.rows is None:
                reader_count[dataset.id] = reader_count.get(dataset.id, 0) + 1
    kept = {dataset.id for dataset in targets}
    chains: list[list[Step]] = []
    chain_of: dict[int, int] = {}  # step number -> its chain
    for step in needed:
        parent = _fusable_parent(graph, step)
        if parent is None or reader_count[parent.id] > 1 or parent.id in kept:
            chain_of[step.id] = len(chains)
            chains.append([step])
        else:
            chain_of[step.id] = chain_of[parent.id]
            chains[chain_of[step.id]].append(step)
    return _assemble(chains, chain_of, targets, reader_count, stored)


def _ancestors(graph: Graph, targets: Sequence[DatasetNode]) -> list[Step]:
    """The steps that write the targets or anything they need, in order of definition."""
    found: set[int] = set()
    pending = [dataset.id for dataset in targets]
    while pending:
        number = pending.pop()
        if number in found:
            continue
        found.add(number)
        pending += (
            dataset.id for dataset, _edge in graph.steps[number].inputs if dataset.rows is None
        )
    return [graph.steps[number] for number in sorted(found)]


def _fusable_parent(graph: Graph, step: Step) -> Step | None:
    """The only parent, where shards and tasks match one to one."""
    if len(step.inputs) != 1:
        return None
    dataset, edge = step.inputs[0]
    if dataset.rows is not None or edge.kind not in _ONE_READER_PER_SHARD:
        return None
    parent = graph.step_of(dataset)
    if not step.task_count == dataset.shard_count == parent.task_count:
        return None
    return parent


def _assemble(
    chains: list[list[Step]],
    chain_of: dict[int, int],
    targets: Sequence[DatasetNode],
    reader_count: dict[int, int],
    stored: bool,
) -> Plan:
    wanted = {dataset.id for dataset in targets} if stored else set()
    step_groups = []
    first_group = 0
    for index, steps in enumerate(chains):
        output = steps[-1].output
        inputs = tuple(
            InputEdge(-1 if dataset.rows is not None else chain_of[dataset.id], dataset, edge)
            for dataset, edge in steps[0].inputs
        )
        step_groups.append(
            StepGroup(
                index,
                tuple(steps),
                steps[0].task_count,
                first_group,
                inputs,
                output,
                is_stored=reader_count.get(output.id, 0) > 0 or output.id in wanted,
            )
        )
        first_group += steps[0].task_count
    return Plan(tuple(step_groups), first_group, tuple(targets))
