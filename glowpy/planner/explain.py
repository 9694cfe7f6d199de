"""The plan in words: what is merged into one loop, what is not and why, and where rows move."""

from __future__ import annotations

from collections.abc import Iterator

from glowpy.amounts import counted
from glowpy.flow.arguments import ANY_FIELDS
from glowpy.flow.graph import EdgeKind, OutputKind
from glowpy.flow.ops.kernel import BatchOp, FoldOp, PassOp, RowOp, TextOp
from glowpy.planner.plan import InputEdge, Plan, StepGroup

_WRITES = {
    OutputKind.ONE_SHARD: "one for each task",
    OutputKind.SCATTER: "each task scatters its rows over them by the hash of their keys",
    OutputKind.SCATTER_ROWS: "each task scatters its rows over them by the hash of the rows",
    OutputKind.PLACED: "each task spreads its rows over them",
    OutputKind.DEAL: "dealt round robin",
}


_MOVES = {
    EdgeKind.ONE_TO_ONE: "task i gets shard i, if it can where that was written",
    EdgeKind.ALL_TO_ONE: "they all move to the one task",
    EdgeKind.COLLECT: "each task gets its part of every writer, a shuffle among all agents",
    EdgeKind.BROADCAST: "a copy of them all moves to each task",
    EdgeKind.CONSECUTIVE: "each task gets some that follow one another",
    EdgeKind.OFFSET: "each goes to a task of its own, behind those of other inputs",
}


def explain(plan: Plan, skipped: int = 0) -> str:
    """One paragraph for each step group, in order.

    Args:
        skipped: number of task groups that the picture of Glow's plan has and the run skips.
    """
    steps = sum(len(step_group.steps) for step_group in plan.step_groups)
    merged = steps - len(plan.step_groups)
    head = (
        f"{counted(steps, 'step')} in {counted(len(plan.step_groups), 'step group')}, "
        f"{counted(plan.group_count, 'task group')} in all; {merged} merged into the step before; "
        "any number of executors will do\n"
    )
    if skipped:
        head += (
            f"{counted(skipped, 'task group')} of -glow.flow.plot, with dashed boxes, are skipped: "
            "the tasks that read them collect the rows themselves\n"
        )
    return head + "\n".join("\n".join(_paragraph(plan, group)) for group in plan.step_groups)


def _paragraph(plan: Plan, step_group: StepGroup) -> Iterator[str]:
    tasks = counted(step_group.task_count, "task")
    yield f"\nstep group {step_group.number}, {tasks}"
    width = max(len(step.label) for step in step_group.steps)
    for step in step_group.steps:
        yield f"  {step.label:{max(20, width)}} {step.location:24} {_what(step.op)}"
    others = ", ".join(step.label for step in step_group.steps[1:])
    yield f"  apart   {step_group.fusion_barrier}"
    if others:
        yield f"  merged  {others}: rows stay in the task between these steps"
    for edge in step_group.inputs:
        yield f"  reads   {_source(plan, edge)}"
        if edge.source >= 0:
            yield f"  waits   {_waits(plan, edge)}"
    if step_group.is_streaming:
        yield "  live    it runs while the channel brings rows, beside other work"
    if step_group.pulled:
        before = step_group.pulled[:-1]
        names = "; ".join(">".join(step.label for step in each.steps) for each in before)
        yield f"  pulls   few rows are wanted: its tasks run {names}, too, as far as that takes"
    yield from _output(plan, step_group)


def _waits(plan: Plan, edge: InputEdge) -> str:
    source = plan.step_groups[edge.source]
    if edge.is_pairwise:
        return f"each task for one task of step group {source.number}"
    tasks = "the task" if source.task_count == 1 else f"all {source.task_count} tasks"
    return f"every task for {tasks} of step group {source.number}"


def _output(plan: Plan, step_group: StepGroup) -> Iterator[str]:
    if not step_group.is_stored:
        yield "  writes  nothing: its rows are counted and dropped, nobody reads them"
        return
    shards = counted(step_group.output.shard_count, "shard")
    yield f"  writes  {shards}, {_WRITES[step_group.output.output_kind]}"
    if step_group.output in plan.targets:
        yield "  result  the driver reads them"


def _source(plan: Plan, edge: InputEdge) -> str:
    shards, kind = counted(edge.dataset.shard_count, "shard"), edge.edge.kind
    if edge.dataset.feed is not None:
        return f"{shards} of rows that a channel brings, {kind.value}"
    if edge.source < 0:
        return f"{shards} of rows that the driver keeps, {kind.value}: they move from the driver"
    source = plan.step_groups[edge.source]
    return f"{shards} of {source.steps[-1].label}, {kind.value}: {_MOVES[kind]}"


def _fields(count: int) -> str:
    return "all fields" if count == ANY_FIELDS else f"{count} fields"


def _what(op: object) -> str:
    """Describe a step as executed in a task."""
    if isinstance(op, RowOp):
        fields = f" with {_fields(op.field_count)}" if op.field_count else ""
        return f"one call for each row{fields}, in the loop"
    if isinstance(op, FoldOp):
        partial = ", partial" if op.is_partial else ""
        return f"a fold ({op.kind.value}{partial}) that the loop ends in"
    if isinstance(op, PassOp):
        return "nothing to do: rows pass as they are"
    if isinstance(op, TextOp):
        return "lines of files, split by byte ranges"
    assert isinstance(op, BatchOp)
    return "a pass over all rows"
