"""The plan in graphviz dot, drawn as Glow draws it (Go: driver/plan/group_plot.go)."""

from __future__ import annotations

from collections.abc import Iterator

from glowpy.flow.graph import Step
from glowpy.planner.plan import Plan, StepGroup, shards_read, shards_written


def to_dot(plan: Plan) -> str:
    """One cluster per task group, the shards between them, and where rows come from and go to."""
    lines = ["digraph glow {"]
    edges: list[str] = []
    inputs: dict[int, int] = {}
    outputs = {dataset.id for dataset in (*plan.targets, *plan.outputs)}
    for step_group in plan.step_groups:
        for task in range(step_group.task_count):
            lines += _cluster(step_group, task)
            edges += _edges_in(step_group, task, inputs)
            edges += _edges_out(step_group, task)
    for step_group in plan.step_groups:
        output = step_group.output
        if output.id in outputs and step_group.is_stored:
            edges.append(f"output{output.id} [shape=doublecircle];")
            edges += [f"d{output.id}_{n} -> output{output.id};" for n in range(output.shard_count)]
    lines += [f"  {edge}" for edge in edges]
    lines += ["  center=true;", "  compound=true;"]
    for terminal, shape in (("start", "Mdiamond"), ("end", "Msquare")):
        if any(
            edge.startswith(f"{terminal} ->") or edge.endswith(f"-> {terminal};") for edge in edges
        ):
            lines.append(f"  {terminal} [shape={shape}];")
    return "\n".join([*lines, "}"])


def _task_name(step: Step, task: int) -> str:
    return step.label if step.task_count == 1 else f"{step.label}_{task}_{step.task_count}"


def _cluster(step_group: StepGroup, task: int) -> Iterator[str]:
    group = step_group.first_group + task
    chain = " -> ".join(_task_name(step, task) for step in step_group.steps)
    yield f"  subgraph group_{group}{{"
    yield "    node [style=filled,color=white];"
    yield "    style=filled;"
    yield "    color=lightgrey;"
    yield f"    {chain};"
    yield f'    label = "group_{group}";'
    yield "  }"


def _edges_in(step_group: StepGroup, task: int, inputs: dict[int, int]) -> Iterator[str]:
    name = _task_name(step_group.steps[0], task)
    if not step_group.inputs:
        yield f"start -> {name};"
    for edge in step_group.inputs:
        if edge.source < 0:
            is_new = edge.dataset.id not in inputs
            number = inputs.setdefault(edge.dataset.id, len(inputs))
            if is_new:
                yield f"input{number} [shape=doublecircle];"
            yield f"input{number} -> {name};"
        else:
            for shard in shards_read(edge, task):
                yield f"d{edge.dataset.id}_{shard} -> {name};"


def _edges_out(step_group: StepGroup, task: int) -> Iterator[str]:
    name = _task_name(step_group.steps[-1], task)
    if not step_group.is_stored:
        yield f"{name} -> end;"
        return
    for shard in shards_written(step_group, task):
        yield f"{name} -> d{step_group.output.id}_{shard};"
