"""The plan as text."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from glowpy import Channel, Dataset, Flow
from glowpy.planner.explain import explain
from glowpy.planner.fusion import make_plan
from tests.processes import run


def explained(*datasets: Dataset, stored: bool = True) -> str:
    graph = datasets[0]._graph
    return explain(make_plan(graph, [dataset._node for dataset in datasets], stored=stored))


def test_explain_shows_merged_steps_and_moves_of_rows() -> None:
    words = Flow(["-glow.inline"]).text_file("x", 3).flat_map(str.split)
    pairs = words.map(lambda word: (word, 1)).filter(lambda word, one: word)
    said = explained(pairs.reduce_by_key(max))
    said = re.sub(r" +test_explain.py:\d+ +", " ", said)
    assert said == dedent(
        """\
        8 steps in 2 step groups, 4 task groups in all; 6 merged into the step before; any number of executors will do

        step group 0, 3 tasks
          Source0 lines of files, split by byte ranges
          FlatMap1 one call for each row, in the loop
          Map2 one call for each row, in the loop
          Filter3 one call for each row with 2 fields, in the loop
          LocalSort4 nothing to do: rows pass as they are
          LocalReduceByKey5 a fold (by key, partial) that the loop ends in
          apart   it is a source
          merged  FlatMap1, Map2, Filter3, LocalSort4, LocalReduceByKey5: rows stay in the task between these steps
          writes  3 shards, one for each task

        step group 1, 1 task
          MergeSorted6 nothing to do: rows pass as they are
          LocalReduceByKey7 a fold (by key) that the loop ends in
          apart   tasks do not match: 3 write 3 shards, 1 read them
          merged  LocalReduceByKey7: rows stay in the task between these steps
          reads   3 shards of LocalReduceByKey5, all to one: they all move to the one task
          waits   every task for all 3 tasks of step group 0
          writes  1 shard, one for each task
          result  the driver reads them"""  # noqa: E501
    )


def test_the_reason_why_steps_are_not_fused_is_shown() -> None:
    rows = Flow(["-glow.inline"]).slice([1], 2)
    doubled = rows.map(abs)
    said = explained(doubled.map(abs), doubled.filter(bool), stored=False)
    assert "apart   it reads rows that the driver keeps" in said
    assert said.count("apart   Map1 is read by 2 steps") == 2
    assert "reads   2 shards of rows that the driver keeps, one to one: they move from" in said
    assert said.count("waits   each task for one task of step group 0") == 2
    assert said.count("writes  nothing: its rows are counted and dropped") == 2
    said = explained(doubled, doubled.map(abs))
    assert "apart   the rows of Map1 are asked for" in said


def test_a_shuffle() -> None:
    said = explained(Flow(["-glow.inline"]).source(lambda: [1], 2).partition(3).sort())
    assert "writes  2 shards, dealt round robin" in said
    assert "writes  6 shards, each task scatters its rows over them" in said
    assert "reads   6 shards of Partition_scatter1, collect: each task gets its part" in said
    assert "a pass over all rows" in said


def test_a_streaming_group_is_named_as_such() -> None:
    flow = Flow(["-glow.inline"])
    rows = flow.channel(Channel(), shards=2, broadcast=True).map(abs)
    text = explain(make_plan(flow._graph, [rows._node], stored=True))
    assert "  reads   1 shard of rows that a channel brings, broadcast\n" in text
    assert "  live    it runs while the channel brings rows, beside other work\n" in text


def test_other_ways_of_rows() -> None:
    flow = Flow(["-glow.inline"])
    left, right = flow.slice([(1, 2)], 2), flow.slice([(1, 3)], 3).map(abs)
    said = explained(left.broadcast_join(right))
    assert re.search(r"reads   3 shards of \S+, broadcast: a copy of them all moves to each", said)
    said = explained(left.map(abs).union(right))
    assert said.count("offset: each goes to a task of its own, behind those of other inputs") == 2


def test_plans_of_runs_on_other_threads_end_the_script(tmp_path: Path) -> None:
    """The main thread of the script waits for rows of a flow that is only explained."""
    script = """
import threading
from glowpy import Channel, Flow

rows = Channel()
flow = Flow()
flow.slice([1]).map(abs).add_output(rows)
threading.Thread(target=flow.run).start()
print(list(rows))
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", "-glow.flow.explain")
    assert "step group 0, 1 task" in ended.stdout and "[" not in ended.stdout
