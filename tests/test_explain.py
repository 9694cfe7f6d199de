"""The plan in words."""

from __future__ import annotations

import re
from textwrap import dedent

from glowpy import Channel, Dataset, Flow
from glowpy.planner.explain import explain
from glowpy.planner.fusion import make_plan


def explained(*datasets: Dataset, stored: bool = True) -> str:
    graph = datasets[0]._graph
    return explain(make_plan(graph, [dataset._node for dataset in datasets], stored=stored))


def test_what_is_merged_and_where_rows_move() -> None:
    words = Flow(["-glow.inline"]).text_file("x", 3).flat_map(str.split)
    pairs = words.map(lambda word: (word, 1)).filter(lambda word, one: word)
    said = explained(pairs.reduce_by_key(max))
    said = re.sub(r" +test_explain.py:\d+ +", " ", said)
    assert said == dedent(
        """\
        step groups: 2, task groups: 4; any number of executors will do

        step group 0, 3 tasks
          Source0 lines of files, split by byte ranges
          FlatMap1 one call for each row, in the loop
          Map2 one call for each row, in the loop
          Filter3 one call for each row with 2 fields, in the loop
          LocalSort4 nothing to do: rows pass as they are
          LocalReduceByKey5 a fold (by key, partial) that the loop ends in
          begins a step group because it is a source
          writes 3 shards, one for each task

        step group 1, 1 task
          MergeSorted6 nothing to do: rows pass as they are
          LocalReduceByKey7 a fold (by key) that the loop ends in
          reads 3 shards of LocalReduceByKey5, all to one
          begins a step group because tasks do not match: 3 write 3 shards, 1 read them
          writes 1 shard, one for each task"""
    )


def test_why_steps_stay_apart() -> None:
    rows = Flow(["-glow.inline"]).slice([1], 2)
    doubled = rows.map(abs)
    said = explained(doubled.map(abs), doubled.filter(bool), stored=False)
    assert "because it reads rows that the driver keeps" in said
    assert said.count("because Map1 is read by 2 steps") == 2
    assert "reads 2 shards of rows that the driver keeps, one to one" in said
    assert "its rows are counted and dropped" in said
    said = explained(doubled, doubled.map(abs))
    assert "because the rows of Map1 are asked for" in said


def test_a_shuffle() -> None:
    said = explained(Flow(["-glow.inline"]).source(lambda: [1], 2).partition(3).sort())
    assert "writes 2 shards, dealt round robin" in said
    assert "writes 6 shards, each task scatters its rows over them" in said
    assert "reads 6 shards of Partition_scatter1, collect" in said
    assert "a pass over all rows" in said


def test_a_live_group_is_named_as_such() -> None:
    flow = Flow(["-glow.inline"])
    rows = flow.channel(Channel(), shards=2, broadcast=True).map(abs)
    text = explain(make_plan(flow._graph, [rows._node], stored=True))
    assert "  reads 1 shard of rows that a channel brings, broadcast\n" in text
    assert "  runs while the channel brings rows, beside whatever else its executors do\n" in text
