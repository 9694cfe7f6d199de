"""A plan as text, derived by driver and task alike, and the difference of two plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from glowpy.errors import PlanMismatch
from glowpy.flow.graph import DatasetNode, Graph
from glowpy.planner.plan import Plan, steps_of
from glowpy.planner.run_description import RunDescription


def describe(plan: Plan) -> str:
    """Return one line per step, in order: name, user's line, tasks, inputs, output, group."""
    lines = []
    for step_group in plan.step_groups:
        for step in step_group.steps:
            reads = ", ".join(
                f"{_source(dataset)}{dataset.id} {edge.kind.value}"
                + (f" {edge.offset}" if edge.offset else "")
                for dataset, edge in step.inputs
            )
            output = step.output
            lines.append(
                f"{step.label} at {step.location}: {step.task_count} tasks, "
                f"reads {reads or 'nothing'}, "
                f"writes d{output.id} as {output.shard_count} shards ({output.output_kind.value}), "
                f"step group {step_group.number}"
                + (", stored" if step_group.is_stored and step is step_group.steps[-1] else "")
                + (", an output" if output in plan.outputs else "")
            )
    return "\n".join(lines)


def _source(dataset: DatasetNode) -> str:
    return "channel" if dataset.feed is not None else "rows" if dataset.rows is not None else "d"


if TYPE_CHECKING:
    from glowpy.planner.captures import Captures

Capture: TypeAlias = "Callable[[Captures, Plan], Captures]"
"""Digests the values captured by a plan's functions in a task, for comparison with the driver."""


def derived_again(
    description: RunDescription, graph: Graph, capture: Capture | None = None
) -> Plan:
    """Return the plan of a run for the graph made by a task, after comparing it with the driver's.

    Args:
        capture: digests the task's values; only for tasks that ran the script again.

    Raises:
        PlanMismatch: the script has built another flow, or other values; shows the difference.
    """
    try:
        plan = description.plan(graph)
    except IndexError as exc:
        raise PlanMismatch(
            f"the driver runs step {max(description.targets)} of the flow defined at "
            f"{graph.location}, but in the task that flow has {len(graph.steps)} steps when "
            "run() or glowpy.ready() is reached; the script must define the same flow each "
            "time it is started"
        ) from exc
    text = describe(plan)
    if text != description.plan_text:
        raise PlanMismatch(
            "the script builds another flow in the task than in the driver; it must define "
            "the same flow each time it is started:\n" + difference(description.plan_text, text)
        )
    if capture is not None and description.captures is not None:
        from glowpy.planner.captures import difference_of_values

        captures = capture(description.captures, plan)
        values = difference_of_values(description.captures, captures, steps_of(plan))
        if values:
            raise PlanMismatch(
                "the script computes other values in the task than in the driver, so the rows "
                f"would differ:\n{values}"
            )
    return plan


def difference(driver: str, task: str) -> str:
    """Return a unified diff of two plan descriptions."""
    import difflib

    lines = difflib.unified_diff(
        driver.splitlines(), task.splitlines(), "in the driver", "in the task", n=0, lineterm=""
    )
    return "\n".join(line for line in lines if not line.startswith("@@"))
