"""The task groups of a plan in graphviz dot, as Glow draws them.

Go: driver/plan/group_plot.go. Glow names its subgraphs `group_N`, and graphviz draws boxes only for
names that begin with `cluster`: ours are `cluster_group_N`. A task group that a run skips, as
`skip_relay_groups` does, has a dashed box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glowpy.flow.graph import Step
from glowpy.planner.dot_text import quoted
from glowpy.planner.plan import Plan, StepGroup, shards_read, shards_written
from glowpy.planner.relay_groups import skip_relay_groups
from glowpy.record import NamedTuple

MOST_NODES = 2_000  # graphviz takes minutes for more, and the picture cannot be read


class FlowPlan(NamedTuple):
    """The plan of one flow, and the name of the flow in a picture of several."""

    title: str
    plan: Plan


def to_dot(plan: Plan) -> str:
    """Return the graph: task groups as boxes, the shards between them, inputs and outputs."""
    return groups_to_dot([FlowPlan("", plan)])


def groups_to_dot(flows: Sequence[FlowPlan]) -> str:
    """Return the task groups of all flows as one graph; several flows have a box each."""
    lines = ["digraph glow {"]
    for number, flow in enumerate(flows):
        drawing = _Drawing(flow.plan, f"flow{number}_" if len(flows) > 1 else "")
        if len(flows) > 1:
            lines.append(f"  subgraph cluster_flow{number} {{")
            lines.append(f"    label = {quoted(flow.title)};")
        lines += drawing.lines()
        if len(flows) > 1:
            lines.append("  }")
    return "\n".join([*lines, "  center=true;", "  compound=true;", "}"])


def node_count(plan: Plan) -> int:
    """Return the number of nodes for tasks and shards."""
    return sum(
        len(each.steps) * each.task_count + each.output.shard_count * each.is_stored
        for each in plan.step_groups
    )


class _Drawing:
    """The lines of one plan. `prefix` keeps the names of several plans apart."""

    def __init__(self, plan: Plan, prefix: str) -> None:
        self._plan = plan
        self._prefix = prefix
        self._inputs: dict[int, int] = {}
        run = {each.output.id for each in skip_relay_groups(plan).step_groups}
        self._skipped = {each.output.id for each in plan.step_groups} - run

    def lines(self) -> Iterator[str]:
        edges: list[str] = []
        step_groups = self._plan.step_groups
        for step_group in step_groups:
            for task in range(step_group.task_count):
                yield from self._box(step_group, task)
                edges += self._edges_in(step_group, task)
                edges += self._edges_out(step_group, task)
        outputs = {dataset.id for dataset in (*self._plan.targets, *self._plan.outputs)}
        for step_group in step_groups:
            output = step_group.output
            if output.id in outputs and step_group.is_stored:
                node = self._node(f"output{output.id}")
                edges.append(self._special(f"output{output.id}", "doublecircle"))
                shards = range(output.shard_count)
                edges += [f"{self._node(f'd{output.id}_{shard}')} -> {node};" for shard in shards]
        if any(not each.inputs for each in step_groups):
            edges.append(self._special("start", "Mdiamond"))
        if not all(each.is_stored for each in step_groups):
            edges.append(self._special("end", "Msquare"))
        if self._prefix:
            yield from (f"  {line}" for line in self._shard_labels())
        yield from (f"  {edge}" for edge in edges)

    def _node(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _special(self, name: str, shape: str) -> str:
        label = f",label={name}" if self._prefix else ""
        return f"{self._node(name)} [shape={shape}{label}];"

    def _shard_labels(self) -> Iterator[str]:
        for step_group in self._plan.step_groups:
            for shard in range(step_group.output.shard_count * step_group.is_stored):
                name = f"d{step_group.output.id}_{shard}"
                yield f"{self._node(name)} [label={name}];"

    def _box(self, step_group: StepGroup, task: int) -> Iterator[str]:
        group = step_group.first_group + task
        names = [_task_name(step, task) for step in step_group.steps]
        is_skipped = step_group.output.id in self._skipped
        label = f"group_{group}" + (": skipped by a run" if is_skipped else "")
        yield f"  subgraph cluster_{self._node(f'group_{group}')}{{"
        yield "    node [style=filled,color=white];"
        yield f"    style={'dashed' if is_skipped else 'filled'};"
        yield f"    color={'grey' if is_skipped else 'lightgrey'};"
        if self._prefix:
            yield from (f"    {self._node(name)} [label={name}];" for name in names)
        yield f"    {' -> '.join(map(self._node, names))};"
        yield f'    label = "{label}";'
        yield "  }"

    def _edges_in(self, step_group: StepGroup, task: int) -> Iterator[str]:
        name = self._node(_task_name(step_group.steps[0], task))
        if not step_group.inputs:
            yield f"{self._node('start')} -> {name};"
        for edge in step_group.inputs:
            if edge.source < 0:
                is_new = edge.dataset.id not in self._inputs
                number = self._inputs.setdefault(edge.dataset.id, len(self._inputs))
                if is_new:
                    yield self._special(f"input{number}", "doublecircle")
                yield f"{self._node(f'input{number}')} -> {name};"
            else:
                for shard in shards_read(edge, task):
                    yield f"{self._node(f'd{edge.dataset.id}_{shard}')} -> {name};"

    def _edges_out(self, step_group: StepGroup, task: int) -> Iterator[str]:
        name = self._node(_task_name(step_group.steps[-1], task))
        if not step_group.is_stored:
            yield f"{name} -> {self._node('end')};"
            return
        for shard in shards_written(step_group, task):
            yield f"{name} -> {self._node(f'd{step_group.output.id}_{shard}')};"


def _task_name(step: Step, task: int) -> str:
    return step.label if step.task_count == 1 else f"{step.label}_{task}_{step.task_count}"
