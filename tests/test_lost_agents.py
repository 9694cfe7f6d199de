"""Losses of agents count for the task group that ran there: a row may kill its host."""

from __future__ import annotations

from glowpy import Flow
from tests.scheduler_transcript import transcript


def test_a_group_that_runs_at_each_loss_of_an_agent_ends_the_run_at_the_tenth() -> None:
    lost = "\n".join(
        f"""\
        > e{number} joins a{number}
          e{number}: run g0#{number + 1} reading store#0
          wants 0 more
        > g0#{number + 1} starts
        > agent a{number} is lost
          wants 1 more"""
        for number in range(1, 10)
    )
    hosts = "; ".join(f"a{number}: silent" for number in range(1, 11))
    transcript(
        Flow(["-glow.inline"]).slice([1], 1).map(abs),
        f"""
          wants 1 more
{lost}
        > e10 joins a10
          e10: run g0#11 reading store#0
          wants 0 more
        > g0#11 starts
        > agent a10 is lost
          failed: ExecutorsDied: Input0>Map1 was running at the loss of its agent in \
each of 10 attempts: {hosts}
        the last row that it took: not reported before the loss of its agent
        """,
    )
