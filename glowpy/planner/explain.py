"""The plan in words: what is merged into one loop, what is not and why, and where rows move."""

from __future__ import annotations

from collections.abc import Iterator

from glowpy.flow.graph import OutputKind
from glowpy.flow.ops.kernel import BatchOp, FoldOp, PassOp, RowOp, TextOp
from glowpy.planner.plan import InputEdge, Plan, StepGroup

_WRITES = {
    OutputKind.ONE_SHARD: "one for each task",
    OutputKind.SCATTER: "each task scatters its rows over them by the hash of their keys",
    OutputKind.PLACED: "each task spreads its rows over them",
    OutputKind.DEAL: "dealt round robin",
}


def explain(plan: Plan) -> str:
    """One paragraph for each step group, in order."""
    head = (
        f"step groups: {len(plan.step_groups)}, task groups: {plan.group_count}; "
        "any number of executors will do\n"
    )
    return head + "\n".join("\n".join(_paragraph(plan, group)) for group in plan.step_groups)


def _paragraph(plan: Plan, step_group: StepGroup) -> Iterator[str]:
    tasks = _count(step_group.task_count, "task")
    yield f"\nstep group {step_group.number}, {tasks}"
    for step in step_group.steps:
        yield f"  {step.label:20} {step.location:24} {_what(step.op)}"
    for edge in step_group.inputs:
        yield f"  reads {_source(plan, edge)}, {edge.edge.kind.value}"
    yield f"  begins a step group because {step_group.why_apart}"
    if step_group.is_live:
        yield "  runs while the channel brings rows, beside whatever else its executors do"
    if not step_group.is_stored:
        yield "  its rows are counted and dropped: nobody reads them"
    else:
        shards = _count(step_group.output.shard_count, "shard")
        yield f"  writes {shards}, {_WRITES[step_group.output.output_kind]}"


def _source(plan: Plan, edge: InputEdge) -> str:
    if edge.dataset.feed is not None:
        return f"{_count(edge.dataset.shard_count, 'shard')} of rows that a channel brings"
    if edge.source < 0:
        return f"{_count(edge.dataset.shard_count, 'shard')} of rows that the driver keeps"
    shards = _count(edge.dataset.shard_count, "shard")
    return f"{shards} of {plan.step_groups[edge.source].steps[-1].label}"


def _what(op: object) -> str:
    """What a step is in the task that runs it."""
    if isinstance(op, RowOp):
        fields = f" with {op.field_count} fields" if op.field_count else ""
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


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
