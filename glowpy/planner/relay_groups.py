"""Removes task groups that would only copy rows.

In Glow's plan, each side of a join is collected by a step group without other work, because the
join reads two datasets. In a run, the join collects its rows itself: they are written once instead
of twice, and cross the network once.

    Partition_scatter x3 > Partition_collect, LocalSort x2 > JoinPartitionedSorted x2
    Partition_scatter x3 > JoinPartitionedSorted x2
"""

from __future__ import annotations

from glowpy.flow.graph import EdgeKind, OutputKind
from glowpy.flow.ops.kernel import PassOp
from glowpy.planner.plan import InputEdge, Plan, StepGroup


def skip_relay_groups(plan: Plan) -> Plan:
    """Return the plan with readers connected past the step groups that only collect rows."""
    if any(group.is_streaming for group in plan.step_groups):
        return plan  # with channels, the order of starts is fixed already
    asked_for = {dataset.id for dataset in (*plan.targets, *plan.outputs)}
    passed_by = {
        group.number: group.inputs[0]
        for group in plan.step_groups
        if only_collects(group)
        and group.output.id not in asked_for
        and all(kind is EdgeKind.ONE_TO_ONE for kind in _readings(plan, group))
    }
    made: list[StepGroup] = []
    numbers = {-1: -1}
    first_group = 0
    for group in plan.step_groups:
        if group.number in passed_by:
            continue
        numbers[group.number] = len(made)
        edges = [passed_by.get(edge.source, edge) for edge in group.inputs]
        made.append(
            group._replace(
                number=len(made),
                first_group=first_group,
                inputs=tuple(edge._replace(source=numbers[edge.source]) for edge in edges),
            )
        )
        first_group += group.task_count
    return plan._replace(step_groups=tuple(made), group_count=first_group)


def only_collects(group: StepGroup) -> bool:
    """True if the group's tasks only collect scattered rows and write them unchanged."""
    if len(group.inputs) != 1 or not all(isinstance(step.op, PassOp) for step in group.steps):
        return False
    if group.output.output_kind is not OutputKind.ONE_SHARD:
        return False  # distributes the rows again
    return group.inputs[0].edge.kind is EdgeKind.COLLECT


def _readings(plan: Plan, group: StepGroup) -> list[EdgeKind]:
    edges: list[InputEdge] = [edge for each in plan.step_groups for edge in each.inputs]
    return [edge.edge.kind for edge in edges if edge.source == group.number]
