"""Pictures of plans: task groups as in Glow, steps of the actual run, all flows of a script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from glowpy import Channel, Dataset, Flow
from glowpy.driver.view.plans import Drawing, Shown, drawing, plan_text, svg_of, whole
from glowpy.errors import DefinitionError, PlanTooLarge
from tests.processes import run

NEEDS_DOT = pytest.mark.skipif(
    shutil.which("dot") is None,
    reason="`dot` is not installed; Debian and Ubuntu have it in the package graphviz",
)


def new_flow() -> Flow:
    return Flow(["-glow.inline"])


def join(shards: int) -> Dataset:
    flow = new_flow()
    pairs = [flow.slice([(1, 2)], shards).map(lambda k, v: (k, v)) for _ in range(2)]
    return pairs[0].join(pairs[1])


def nodes(dot: str) -> dict[str, str]:
    """The labels of all nodes, by name."""
    return dict(re.findall(r'^ *(\w+) \[label="(.*?)"', dot, re.MULTILINE))


def steps(dot: str) -> list[str]:
    return [label.partition("\\n")[0] for name, label in nodes(dot).items() if "_s" in name]


# --- task groups --------------------------------------------------------------------------------


def test_boxes_of_task_groups_have_names_that_graphviz_draws() -> None:
    dot = join(2).plot("groups")
    assert len(re.findall(r"subgraph cluster_group_\d+\{", dot)) == 10
    assert "subgraph group" not in dot


def test_task_groups_that_a_run_skips_have_dashed_boxes() -> None:
    dot = join(2).plot("groups")
    boxes = re.findall(r"subgraph cluster_group_\d+\{(.*?)\n  \}", dot, re.DOTALL)
    skipped = [box for box in boxes if "style=dashed" in box]
    assert len(skipped) == 4
    assert all("Partition_collect" in box and "skipped by a run" in box for box in skipped)
    assert join(2).explain().splitlines()[:2] == [
        "7 steps in 3 step groups, 6 task groups in all; 4 merged into the step before; any number "
        "of executors will do",
        "4 task groups of -glow.flow.plot, with dashed boxes, are skipped: the tasks that read "
        "them collect the rows themselves",
    ]


def test_more_nodes_than_graphviz_lays_out_are_an_error_that_names_the_steps() -> None:
    with pytest.raises(PlanTooLarge, match=r'[\d,]+ nodes, more than the 2,000 .*"steps"') as error:
        join(100).plot("groups")
    assert "-glow.flow.plot=steps" in str(error.value)
    assert len(join(100).plot("steps").splitlines()) < 40


# --- steps --------------------------------------------------------------------------------------


def test_a_node_for_each_step_with_its_tasks_and_line() -> None:
    flow = new_flow()
    dataset = flow.slice([1, 2], 2).map(abs).reduce(max)
    dot = dataset.plot()
    line = dataset._graph.steps[1].location
    assert nodes(dot)["flow0_s1"] == f"Map1 ×2\\n{line}"
    assert steps(dot) == ["Input0 ×2", "Map1 ×2", "LocalReduce2 ×2", "MergeReduce3 ×1"]
    assert "flow0_s0 -> flow0_s1 -> flow0_s2;" in dot, "merged steps are a chain in their box"
    assert 'flow0_s2 -> flow0_s3 [label=" 2 shards, all to one"];' in dot
    assert "flow0_kept0 -> flow0_s0" in dot and "flow0_s3 -> flow0_result3" in dot
    assert 'label="step group 0: 2 tasks"' in dot and 'label="step group 1: 1 task"' in dot


def test_the_picture_of_steps_and_the_text_have_the_same_groups() -> None:
    dot, text = join(3).plot(), join(3).explain()
    assert re.findall(r'label="(step group \d+): (\d tasks)', dot) == re.findall(
        r"^(step group \d+), (\d tasks)", text, re.MULTILINE
    )
    assert "Partition_collect" not in dot + text


def test_steps_that_a_take_pulls_stand_in_its_box() -> None:
    flow = new_flow()
    rows = flow.source(lambda: [1], 3).map(abs)
    dot = drawing([Shown(rows._graph, (rows._node,), limit=2)], "steps")
    assert dot.count("subgraph") == 1
    assert steps(dot) == ["Source0 ×1", "Map1 ×3"]
    assert 'flow0_s0 -> flow0_s1 [label=" 3 shards, one to one"];' in dot


def test_files_and_channels_are_drawn() -> None:
    flow = new_flow()
    rows = flow.channel(Channel(), shards=2).map(str).add_output(Channel())
    rows.union(flow.text_file(['a "b".txt', "c", "d", "e"], 2))
    dot = drawing([whole(flow._graph)], "steps")
    assert '[label="rows of a channel",shape=cylinder' in dot
    assert '[label="a \\"b\\".txt\\nc\\nd\\nand 1 more",shape=cylinder' in dot
    assert '[label="channel\\nto the script",shape=cylinder' in dot
    assert 'label="step group 0: 2 tasks, streaming"' in dot


def test_an_unknown_picture_is_refused() -> None:
    kind: Any = "boxes"
    with pytest.raises(DefinitionError, match=r'plot\(\) takes "steps" or "groups", not .boxes'):
        new_flow().slice([1]).plot(kind)


# --- several flows ------------------------------------------------------------------------------


def test_several_flows_share_one_graph() -> None:
    flows = [new_flow(), new_flow()]
    for flow in flows:
        flow.slice([1], 2).map(abs).reduce(max)
    shown = [whole(flow._graph) for flow in flows]
    for kind in ("groups", "steps"):
        dot = drawing(shown, kind)
        assert dot.count("digraph") == 1
        titles = re.findall(r'label ?= ?"(flow \d+ \(test_plots.py:\d+\))"', dot)
        assert len(set(titles)) == 2
        assert "flow0_" in dot and "flow1_" in dot
    dot = drawing(shown, "groups")
    assert len(set(re.findall(r"subgraph (\w+)", dot))) == 2 * (1 + 3)
    assert "flow1_Map1_0_2 [label=Map1_0_2];" in dot and "flow0_d2_0 [label=d2_0];" in dot
    assert len(re.findall(r"^flow \d+ .*: 4 steps in", plan_text(shown), re.MULTILINE)) == 2


TWO_FLOWS = """
import glowpy
from glowpy import Flow

first = Flow().slice(range(10), 2).map(print)
second = Flow().slice(range(10)).partition(4)
glowpy.ready()
print("below")
first.run()
print(second.count())
"""


@pytest.mark.parametrize("flag", ["-glow.flow.plot", "-glow.flow.plot=steps", "-glow.flow.explain"])
def test_all_flows_above_ready_are_shown_and_nothing_below_it_runs(
    flag: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(TWO_FLOWS, encoding="utf-8")
    ended = run(tmp_path, "script.py", flag)
    assert "below" not in ended.stdout and ended.stderr == ""
    assert "Map1" in ended.stdout and "Partition_scatter1" in ended.stdout
    assert ended.stdout.startswith("flow 0" if "explain" in flag else "digraph glow {\n")


def test_the_first_run_shows_the_flows_above_it(tmp_path: Path) -> None:
    text = TWO_FLOWS.replace("glowpy.ready()", "print(first.count())")
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    ended = run(tmp_path, "script.py", "-glow.flow.plot=steps")
    assert "Map1" in ended.stdout and "Partition_scatter1" in ended.stdout
    assert ended.stderr == (
        "glowpy: these are the flows defined above the first run, script.py:7; a script that calls "
        "glowpy.ready() below its last definition has all of its flows shown\n"
    )


def test_a_script_of_one_run_needs_no_note(tmp_path: Path) -> None:
    script = """
from glowpy import Flow
def main():
    Flow().slice(range(10), 100).partition(100).run()
main()
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    assert run(tmp_path, "script.py", "-glow.flow.plot=steps").stderr == ""
    ended = run(tmp_path, "script.py", "-glow.flow.plot", status=1)
    assert ended.stdout == "" and ended.stderr.count("\n") == 1
    assert "10,300 nodes" in ended.stderr and "-glow.flow.plot=steps" in ended.stderr


# --- graphviz -----------------------------------------------------------------------------------


@NEEDS_DOT
@pytest.mark.parametrize("kind", ["groups", "steps"])
def test_graphviz_draws_a_box_for_each_group(kind: Any) -> None:
    svg = svg_of(join(2).plot(kind))
    assert svg is not None
    titles = re.findall(r'<g id="clust\d+" class="cluster">\s*<title>(\w+)</title>', svg)
    assert len(titles) == (10 if kind == "groups" else 3)
    assert svg.count(">group_3<" if kind == "groups" else ">step group 2: 2 tasks<") == 1


@NEEDS_DOT
def test_graphviz_takes_several_flows_with_any_name() -> None:
    flows = [new_flow(), new_flow()]
    for flow in flows:
        flow.text_file('a "quoted" \\n {name}', 2).map(abs)
    shown = [whole(flow._graph) for flow in flows]
    for kind in ("groups", "steps"):
        done = subprocess.run(
            ["dot", "-Tsvg"], input=drawing(shown, kind).encode(), capture_output=True, check=True
        )
        assert done.stderr == b"" and b"test_plots.py" in done.stdout


def test_a_drawing_is_shown_as_itself_and_as_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plot = new_flow().slice([1]).plot()
    assert isinstance(plot, Drawing) and repr(plot) == str(plot)
    program = tmp_path / "dot"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert plot._repr_svg_() is None, "it is not installed"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    assert plot._repr_svg_() is None, "it fails"
    program.write_text('#!/bin/sh\nwhile read -r line; do :; done\necho "<svg/> $1"\n')
    assert plot._repr_svg_() == "<svg/> -Tsvg\n"
