"""Plans of flows as text and as pictures, for flags and methods."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from glowpy.errors import PlanTooLarge
from glowpy.flags import Options
from glowpy.flow.entry import Call
from glowpy.flow.graph import DatasetNode, Graph
from glowpy.flow.location import has_code_below, user_location
from glowpy.planner.dot import MOST_NODES, FlowPlan, groups_to_dot, node_count
from glowpy.planner.explain import explain
from glowpy.planner.fusion import make_plan, needed_steps
from glowpy.record import NamedTuple
from glowpy.stdio import notify_user

_LAYOUT_S = 20.0  # time limit of graphviz; not in `timing`: it depends on the plan alone


class PlanText(str):
    """A plan as text. The repr is the text too, so a REPL shows the lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Drawing(PlanText):
    """A plan in graphviz dot. A notebook shows the picture where `dot` is installed."""

    __slots__ = ()

    def _repr_svg_(self) -> str | None:
        return svg_of(self)


class Shown(NamedTuple):
    """One flow, or a part of one, for a text or a picture."""

    graph: Graph
    datasets: tuple[DatasetNode, ...]
    outputs: tuple[DatasetNode, ...] = ()  # sent to channels
    limit: int = 0  # of take()
    call: str = ""  # the terminal call; empty: unknown
    is_stored: bool = True  # the driver reads the rows


def show_plans(graphs: Sequence[Graph], options: Options, call: Call | None) -> int | None:
    """Write the plans requested by `-glow.flow.plot` or `-glow.flow.explain` to standard output.

    Args:
        call: the terminal call reached by the script; None: the script reached `glowpy.ready()`.

    Returns:
        The exit status; None: the graphs are empty.
    """
    flows = [
        of_call(call) if call is not None and graph is call.graph else whole(graph)
        for graph in graphs
        if graph.steps
    ]
    if not flows:
        return None
    try:
        text = plan_text(flows) if options.flow_explain else drawing(flows, options.flow_plot)
    except PlanTooLarge as exc:
        notify_user(f"glowpy: {exc}")
        return 1
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if call is not None and has_code_below():
        notify_user(
            f"glowpy: these are the flows defined above the first run, {user_location()}; a script "
            "that calls glowpy.ready() below its last definition has all of its flows shown"
        )
    return 0


def whole(graph: Graph) -> Shown:
    """Return all of a flow: every dataset read by no step."""
    outputs = tuple(output.dataset for output in graph.outputs)
    return Shown(graph=graph, datasets=tuple(graph.leaves()), outputs=outputs)


def of_call(call: Call) -> Shown:
    """Return the datasets of a terminal call and, unless limited, the rest of its flow."""
    shown = Shown(
        graph=call.graph,
        datasets=call.datasets,
        outputs=tuple(output.dataset for output in call.outputs),
        limit=call.limit,
        call=call.terminal.value,
        is_stored=call.terminal.is_stored,
    )
    if call.limit:
        return shown
    computed = {step.id for step in needed_steps(call.graph, call.datasets)}
    rest = tuple(dataset for dataset in call.graph.leaves() if dataset.id not in computed)
    return shown._replace(datasets=(*call.datasets, *rest))


def plan_text(flows: Sequence[Shown]) -> PlanText:
    """Return the plans as text, as executed."""
    texts = []
    drawn = _plans(flows, as_glow_draws=True)
    for flow, (title, plan), (_title, glows) in zip(flows, _plans(flows), drawn, strict=True):
        skipped = 0 if flow.limit else glows.group_count - plan.group_count
        text = explain(plan, skipped)
        texts.append(f"{title}: {text}" if len(flows) > 1 else text)
    return PlanText("\n\n".join(texts))


def drawing(flows: Sequence[Shown], kind: str) -> Drawing:
    """Return the plans in dot.

    Args:
        kind: "groups": every task group, in Glow's drawing style; "steps": each step once, as
            executed.

    Raises:
        PlanTooLarge: too many task groups.
    """
    if kind == "steps":
        from glowpy.planner.step_dot import steps_to_dot

        return Drawing(steps_to_dot(_plans(flows)))
    plans = _plans(flows, as_glow_draws=True)
    nodes = sum(node_count(plan) for _title, plan in plans)
    if nodes > MOST_NODES:
        raise PlanTooLarge(
            f"a picture of all task groups would have {nodes:,} nodes, more than the "
            f"{MOST_NODES:,} that graphviz lays out in useful time; for a picture with one node "
            'for each step use -glow.flow.plot=steps, or dataset.plot("steps")'
        )
    return Drawing(groups_to_dot(plans))


def plan_of(graph: Graph, dataset: DatasetNode, kind: str) -> str:
    """Return the plan of `collect()`, see `flow.entry.plan_of`."""
    shown = [Shown(graph=graph, datasets=(dataset,))]
    if kind == "text":
        return plan_text(shown)
    if kind == "svg":
        return svg_of(drawing(shown, "steps")) or ""
    return drawing(shown, kind)


def svg_of(dot: str) -> str | None:
    """Return the picture as SVG; None where graphviz is not installed or fails."""
    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-Tsvg"],
            input=dot.encode(),
            capture_output=True,
            timeout=_LAYOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _plans(flows: Sequence[Shown], *, as_glow_draws: bool = False) -> list[FlowPlan]:
    return [
        FlowPlan(
            f"flow {flow.graph.flow_id} ({flow.graph.location})",
            make_plan(
                flow.graph,
                flow.datasets,
                stored=flow.is_stored and not (as_glow_draws and not flow.call),
                limit=flow.limit,
                outputs=flow.outputs,
                drawn=as_glow_draws,
            ),
        )
        for flow in flows
    ]
