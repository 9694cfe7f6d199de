"""Transcripts of the scheduler with groups that a channel feeds.

`run live` starts a group immediately, beside the executor's current group; see
tests/scheduler_transcript.py.
"""

from __future__ import annotations

from operator import add

from glowpy import Channel, Dataset, Flow
from tests.scheduler_transcript import transcript


def fed(shards: int = 1) -> Dataset:
    """Rows of a channel: g0 …"""
    return Flow(["-glow.inline"]).channel(Channel(), shards).map(abs)


def test_a_streaming_group_runs_beside_others() -> None:
    flow = Flow(["-glow.inline"])
    live = flow.channel(Channel()).map(abs)  # g0
    normal = flow.slice([1], 2).map(abs)  # g1, g2
    transcript(
        [live, normal],
        """
          wants 3 more
        > e1 joins a1
          e1: run live g0#4 reading store#0
          e1: run g1#5 reading store#2
          e1: run g2#6 reading store#2
          wants 1 more
        > g0#4 starts
        > g1#5 starts
        > g1#5 is sealed
          g1#5 is done at a1
          wants 0 more
        > g2#6 starts
        > g2#6 is sealed
          g2#6 is done at a1
        > g0#4 is sealed
          g0#4 is done at a1
          finished
        """,
    )


def test_streaming_groups_spread_over_the_available_executors() -> None:
    transcript(
        fed(3),
        """
          wants 3 more
        > e1 joins a1
          e1: run live g0#2 reading store#0
          wants 2 more
        > e2 joins a2
          e2: run live g1#3 reading store#0
          wants 1 more
        > no more executors come
          e1: run live g2#4 reading store#0
          wants 0 more
        """,
    )


def test_one_executor_hosts_all_streaming_groups() -> None:
    """Readers of a streaming group start after that group."""
    transcript(
        fed(2).partition(2).map(abs),
        """
          wants 2 more
        > e1 joins a1
          e1: run live g0#5 reading store#0
          wants 1 more
        > no more executors come
          e1: run live g1#6 reading store#0
          wants 0 more
        > g0#5 starts
        > g1#6 starts
          wants 2 more
        > no more executors come
          e1: run live g2#7 reading a1#5, a1#6
          e1: run live g3#8 reading a1#5, a1#6
          wants 0 more
        > g2#7 starts
        > g3#8 starts
        > g0#5 is sealed
          g0#5 is done at a1
        > g1#6 is sealed
          g1#6 is done at a1
        > g2#7 is sealed
          g2#7 is done at a1
        > g3#8 is sealed
          g3#8 is done at a1
          finished
        """,
    )


def test_groups_that_wait_for_all_rows_take_no_executor() -> None:
    transcript(
        fed().sort(),
        """
          wants 1 more
        > e1 joins a1
          e1: run live g0#4 reading store#0
          wants 0 more
        > g0#4 starts
        > e2 joins a1
          e2: retire
        > g0#4 is sealed
          g0#4 is done at a1
          finished
        """,
    )
    transcript(
        fed(2).sort(),
        """
          wants 2 more
        > e1 joins a1
          e1: run live g0#4 reading store#0
          wants 1 more
        > e2 joins a1
          e2: run live g1#5 reading store#0
          wants 0 more
        > g0#4 starts
        > g1#5 starts
        > g0#4 is sealed
          g0#4 is done at a1
          e1: retire
        > g1#5 is sealed
          g1#5 is done at a1
          e2: run g2#6 reading a1#4, a1#5
        """,
    )


def test_a_streaming_group_waits_for_groups_that_are_not_streaming() -> None:
    flow = Flow(["-glow.inline"])
    static = flow.slice([1]).map(abs)  # g0
    rows = flow.channel(Channel()).union(static)  # g1: the channel, g2, g3: the union
    transcript(
        rows.map(abs),
        """
          wants 2 more
        > e1 joins a1
          e1: run live g1#5 reading store#2
          e1: run g0#6 reading store#0
          wants 0 more
        > g1#5 starts
          wants 1 more
        > no more executors come
          e1: run live g2#7 reading a1#5
          wants 0 more
        > g0#6 starts
        > g0#6 is sealed
          g0#6 is done at a1
          wants 1 more
        > no more executors come
          e1: run live g3#8 reading a1#6
          wants 0 more
        """,
    )


def test_a_lost_streaming_group_runs_again_with_its_readers() -> None:
    transcript(
        fed().partition(2).map(abs),
        """
          wants 1 more
        > e1 joins a1
          e1: run live g0#5 reading store#0
          wants 0 more
        > g0#5 starts
          wants 2 more
        > e2 joins a2
          e2: run live g1#6 reading a1#5
          wants 1 more
        > e3 joins a2
          e3: run live g2#7 reading a1#5
          wants 0 more
        > g1#6 starts
        > g2#7 starts
        > e1 dies: signal SIGKILL
          e2: stop #6
          e3: stop #7
          wants 1 more
        > g1#6 has stopped
          e2: run live g0#8 reading store#0
          wants 0 more
        > g2#7 has stopped
        > g0#8 starts
          e3: run live g1#9 reading a2#8
          wants 1 more
        > no more executors come
          e2: run live g2#10 reading a2#8
          wants 0 more
        """,
    )


def test_groups_that_depend_on_row_order_have_no_second_attempt() -> None:
    """g2 deals rows in order of arrival: a second attempt could send g3's rows to g4."""
    rows = fed(2).partition(1).round_robin(2).map(str)
    transcript(
        rows.sort(),
        """
          wants 2 more
        > e1 joins a1
          e1: run live g0#8 reading store#0
          wants 1 more
        > no more executors come
          e1: run live g1#9 reading store#0
          wants 0 more
        > g0#8 starts
        > g1#9 starts
          wants 1 more
        > e2 joins a2
          e2: run live g2#10 reading a1#8, a1#9
          wants 0 more
        > g2#10 starts
          wants 2 more
        > e3 joins a1
          e3: run live g3#11 reading a2#10
          wants 1 more
        > no more executors come
          e2: run live g4#12 reading a2#10
          wants 0 more
        > g3#11 starts
        > g4#12 starts
        > g0#8 is sealed
          g0#8 is done at a1
        > g1#9 is sealed
          g1#9 is done at a1
          e1: retire
        > g2#10 is sealed
          g2#10 is done at a2
        > g3#11 is sealed
          g3#11 is done at a1
          e3: retire
        > agent a2 is lost
          failed: ShardError: Partition_collect3>RoundRobin_scatter4 took rows of a channel as \
they came, and is lost: done again, it could give others than Map5>LocalSort6 task 0 of 2 has read
        """,
    )


def test_delivered_shards_are_not_computed_again() -> None:
    flow = Flow(["-glow.inline"])
    rows = flow.channel(Channel()).map(abs).add_output(Channel())  # g0
    rows.reduce(add)  # g1
    transcript(
        list(flow_leaves(flow)),
        """
          wants 1 more
        > e1 joins a1
          e1: run live g0#4 reading store#0
          wants 0 more
        > g0#4 starts
        > g0#4 is sealed
          g0#4 is done at a1
          e1: run g1#5 reading a1#4
        > g1#5 starts
        > the driver has got g0
        > g1#5 is sealed
          g1#5 is done at a1
          finished
        > agent a1 is lost
        """,
    )


def flow_leaves(flow: Flow) -> list[Dataset]:
    return [Dataset(flow._graph, node) for node in flow._graph.leaves()]
