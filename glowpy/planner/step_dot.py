"""The steps of a plan in graphviz dot, as a run executes the plan: one node per step.

A box is a step group, merged into one pass over the rows. The label of a node has the step, the
number of tasks and the line of the definition; the label of an edge between boxes has the number of
shards and the way of reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glowpy.amounts import counted
from glowpy.flow.graph import EdgeKind, Step
from glowpy.flow.ops.kernel import TextOp
from glowpy.planner.dot import FlowPlan
from glowpy.planner.dot_text import quoted
from glowpy.planner.plan import InputEdge, Plan, StepGroup

_SHORT = {
    EdgeKind.ONE_TO_ONE: "one to one",
    EdgeKind.ALL_TO_ONE: "all to one",
    EdgeKind.COLLECT: "shuffle",
    EdgeKind.BROADCAST: "broadcast",
    EdgeKind.CONSECUTIVE: "consecutive",
    EdgeKind.OFFSET: "side by side",
}
_MOST_PATHS = 3  # of a text source

_HEAD = """\
digraph glow {
  node [shape=box,style="rounded,filled",fillcolor=white,fontname="Helvetica",fontsize=11];
  edge [fontname="Helvetica",fontsize=10,color=grey30];
  fontname="Helvetica";
  fontsize=11;"""


def steps_to_dot(flows: Sequence[FlowPlan]) -> str:
    """Return one graph for the steps of all flows; each of several flows has a box."""
    lines = [_HEAD]
    for number, flow in enumerate(flows):
        drawing = _Drawing(flow.plan, f"flow{number}_")
        if len(flows) > 1:
            lines.append(f"  subgraph cluster_flow{number} {{")
            lines.append(f"    label={quoted(flow.title)};")
            lines.append("    style=rounded; color=grey;")
        lines += drawing.lines()
        if len(flows) > 1:
            lines.append("  }")
    return "\n".join([*lines, "}"])


class _Drawing:
    """The lines of one plan."""

    def __init__(self, plan: Plan, prefix: str) -> None:
        self._plan = plan
        self._prefix = prefix

    def lines(self) -> Iterator[str]:
        for step_group in self._plan.step_groups:
            yield from self._box(step_group)
        for dataset in self._plan.kept_by_driver():
            what = "rows of a channel" if dataset.feed is not None else "rows of the script"
            yield self._store(f"kept{dataset.id}", what)
        for step_group in self._plan.step_groups:
            for step in step_group.steps:
                if isinstance(step.op, TextOp):
                    yield self._store(f"files{step.id}", *_paths(step.op))
                    yield f"  {self._name(f'files{step.id}')} -> {self._step(step)};"
            for edge, reader in _edges_from_outside(step_group):
                yield self._edge(edge, reader)
            if step_group.output in self._plan.targets and step_group.is_stored:
                result = f"result{step_group.output.id}"
                yield f'  {self._name(result)} [label="result",shape=ellipse];'
                yield f"  {self._step(step_group.steps[-1])} -> {self._name(result)};"
            if step_group.output in self._plan.outputs:
                channel = f"channel{step_group.output.id}"
                yield self._store(channel, "channel", "to the script")
                yield f"  {self._step(step_group.steps[-1])} -> {self._name(channel)};"

    def _box(self, step_group: StepGroup) -> Iterator[str]:
        tasks = counted(step_group.task_count, "task")
        streaming = ", streaming" if step_group.is_streaming else ""
        yield f"  subgraph cluster_{self._name(f'group{step_group.number}')} {{"
        yield f"    label={quoted(f'step group {step_group.number}: {tasks}{streaming}')};"
        yield '    style="rounded,filled"; color=grey; fillcolor=grey93;'
        for step in step_group.steps:
            label = quoted(f"{step.label} ×{step.task_count}", step.location)
            yield f"    {self._step(step)} [label={label}];"
        for inner in step_group.pulled or (step_group,):
            if len(inner.steps) > 1:
                yield f"    {' -> '.join(map(self._step, inner.steps))};"
        for edge, reader in _edges_within(step_group):
            yield f"  {self._edge(edge, reader)}"
        yield "  }"

    def _edge(self, edge: InputEdge, reader: Step) -> str:
        dataset = edge.dataset
        source = f"s{dataset.id}" if not dataset.is_drivers else f"kept{dataset.id}"
        label = quoted(f" {counted(dataset.shard_count, 'shard')}, {_SHORT[edge.edge.kind]}")
        return f"  {self._name(source)} -> {self._step(reader)} [label={label}];"

    def _store(self, name: str, *words: str) -> str:
        return f"  {self._name(name)} [label={quoted(*words)},shape=cylinder,style=solid];"

    def _step(self, step: Step) -> str:
        return self._name(f"s{step.id}")

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"


def _edges_within(step_group: StepGroup) -> Iterator[tuple[InputEdge, Step]]:
    """Yield the edges between pulled step groups, each with the reading step."""
    written = {inner.output.id for inner in step_group.pulled}
    for inner in step_group.pulled:
        for edge in inner.inputs:
            if edge.dataset.id in written and not edge.dataset.is_drivers:
                yield edge, inner.steps[0]


def _edges_from_outside(step_group: StepGroup) -> Iterator[tuple[InputEdge, Step]]:
    """Yield the input edges of a step group, each with the reading step."""
    written = {inner.output.id for inner in step_group.pulled}
    for inner in step_group.pulled or (step_group,):
        for edge in inner.inputs:
            if edge.dataset.is_drivers or edge.dataset.id not in written:
                yield edge, inner.steps[0]


def _paths(op: TextOp) -> list[str]:
    shown = list(op.patterns[:_MOST_PATHS])
    more = len(op.patterns) - len(shown)
    return [*shown, f"and {more} more"] if more else shown
