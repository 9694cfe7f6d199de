"""Transcripts of the scheduler: events and the resulting actions.

scheduler_transcript.py defines the form of a transcript.
"""

from __future__ import annotations

from glowpy import Flow
from tests.scheduler_transcript import summed, transcript


def test_one_executor_runs_all_with_an_assignment_always_behind_the_running_one() -> None:
    transcript(
        summed(3),
        """
          wants 3 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 2 more
        > g0#4 starts
        > g0#4 is sealed
          g0#4 is done at a1
          e1: run g2#6 reading store#0
          wants 1 more
        > g1#5 starts
        > g1#5 is sealed
          g1#5 is done at a1
          wants 0 more
        > g2#6 starts
        > g2#6 is sealed
          g2#6 is done at a1
          e1: run g3#7 reading a1#4, a1#5, a1#6
        > g3#7 starts
        > g3#7 is sealed
          g3#7 is done at a1
          finished
        """,
    )


def test_queued_assignments_move_to_an_idle_executor() -> None:
    transcript(
        summed(2),
        """
          wants 2 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 1 more
        > e2 joins a2
          e1: give back #5
          wants 0 more
        > g0#4 starts
        > g1#5 comes back from e1
          e2: run g1#6 reading store#0
        > g1#6 starts
        > g0#4 is sealed
          g0#4 is done at a1
          e1: run g2#7 reading a1#4, a2#6
        > g1#6 is sealed
          g1#6 is done at a2
          e2: retire
        > g2#7 starts
        > g2#7 is sealed
          g2#7 is done at a1
          finished
        """,
    )


def test_a_started_assignment_is_not_withdrawn() -> None:
    transcript(
        summed(2),
        """
          wants 2 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 1 more
        > e2 joins a2
          e1: give back #5
          wants 0 more
        > g0#4 starts
        > g0#4 is sealed
          g0#4 is done at a1
        > g1#5 starts
          e2: run g2#6 reading a1#4, a1#5
        > g1#5 is sealed
          g1#5 is done at a1
          e1: retire
        > g2#6 starts
        > g2#6 is sealed
          g2#6 is done at a2
          finished
        """,
    )


def test_a_pipelined_consumer_is_stopped_when_its_input_is_lost() -> None:
    transcript(
        summed(2),
        """
          wants 2 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 1 more
        > e2 joins a1
          e1: give back #5
          wants 0 more
        > e3 joins a1
        > g0#4 starts
        > g1#5 comes back from e1
          e2: run g1#6 reading store#0
        > g1#6 starts
          e3: run g2#7 reading a1#4, a1#6
        > g0#4 is sealed
          g0#4 is done at a1
          e1: retire
        > e2 dies: signal SIGKILL
          e3: stop #7
          wants 1 more
        > g2#7 has stopped
          e3: run g1#8 reading store#0
          wants 0 more
        > g1#8 starts
        > g1#8 is sealed
          g1#8 is done at a1
          e3: run g2#9 reading a1#4, a1#8
        > g2#9 starts
        > g2#9 is sealed
          g2#9 is done at a1
          finished
        """,
    )


def test_a_group_that_kills_its_executors_is_tried_a_bounded_number_of_times() -> None:
    transcript(
        summed(1),
        """
          wants 1 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          wants 0 more
        > g0#4 starts
        > e1 dies: signal SIGSEGV
          wants 1 more
        > e2 joins a1
          e2: run g0#5 reading store#0
          wants 0 more
        > g0#5 starts
        > e2 dies: signal SIGKILL
          wants 1 more
        > e3 joins a2
          e3: run g0#6 reading store#0
          wants 0 more
        > g0#6 starts
        > e3 dies: exit status 3
          failed: ExecutorsDied: Input0>Map1>LocalReduce2>MergeReduce3 killed its executor at \
each of 3 tries: signal SIGSEGV at a1; signal SIGKILL at a1; exit status 3 at a2
        """,
    )


def test_executors_that_die_before_they_run_anything_are_bounded() -> None:
    transcript(
        summed(1),
        """
          wants 1 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          wants 0 more
        > e1 dies: exit status 1
          wants 1 more
        > e2 joins a1
          e2: run g0#5 reading store#0
          wants 0 more
        > e2 dies: exit status 1
          failed: ExecutorsDied: 2 executors died before they ran anything: \
exit status 1 (2 times)
        """,
        lost_attempts=2,
    )


def test_an_exception_of_the_users_ends_the_run_at_once() -> None:
    transcript(
        summed(2),
        """
          wants 2 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 1 more
        > g0#4 starts
        > g0#4 raises
          failed: TaskFailed: boom
        """,
    )


def test_a_lost_agent_takes_its_shards_along_and_late_reports_are_fenced() -> None:
    transcript(
        summed(2),
        """
          wants 2 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 1 more
        > e2 joins a2
          e1: give back #5
          wants 0 more
        > g0#4 starts
        > g1#5 comes back from e1
          e2: run g1#6 reading store#0
        > g1#6 starts
        > g0#4 is sealed
          g0#4 is done at a1
          e1: run g2#7 reading a1#4, a2#6
        > g1#6 is sealed
          g1#6 is done at a2
          e2: retire
        > agent a1 is lost
          g0 is undone
          wants 1 more
        > e3 joins a2
          e3: run g0#8 reading store#0
          wants 0 more
        > g0#4 is sealed
        > g0#8 starts
        > g0#8 is sealed
          g0#8 is done at a2
          e3: run g2#9 reading a2#8, a2#6
        > g2#9 starts
        > g2#9 is sealed
          g2#9 is done at a2
          finished
        > agent a1 is lost
        > agent a2 is lost
          g2 is undone
          g1 is undone
          g0 is undone
          wants 2 more
        """,
    )


def test_a_shard_that_cannot_be_read_is_computed_again() -> None:
    transcript(
        summed(2),
        """
          wants 2 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 1 more
        > g0#4 starts
        > g0#4 is sealed
          g0#4 is done at a1
          wants 0 more
        > g1#5 starts
        > g1#5 is sealed
          g1#5 is done at a1
          e1: run g2#6 reading a1#4, a1#5
        > g2#6 starts
        > g2#6 misses #4
          g0 is undone
          e1: run g0#7 reading store#0
        > g0#7 starts
        > g0#7 is sealed
          g0#7 is done at a1
          e1: run g2#8 reading a1#7, a1#5
        > g2#8 starts
        > g2#8 is sealed
          g2#8 is done at a1
          finished
        > the driver misses #8
          g2 is undone
          e1: run g2#9 reading a1#7, a1#5
        > g2#9 starts
        > g2#9 is sealed
          g2#9 is done at a1
          finished
        """,
    )


def test_above_its_share_executors_are_given_back_after_their_groups() -> None:
    transcript(
        summed(6),
        """
          wants 6 more
        > e1 joins a1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 5 more
        > e2 joins a2
          e2: run g2#6 reading store#0
          e2: run g3#7 reading store#0
          wants 4 more
        > e3 joins a3
          e3: run g4#8 reading store#0
          e3: run g5#9 reading store#0
          wants 3 more
        > g0#4 starts
        > g2#6 starts
        > g4#8 starts
        > the share is 1
          e3: give back #9
          e2: give back #7
        > g3#7 comes back from e2
        > g5#9 comes back from e3
        > g2#6 is sealed
          g2#6 is done at a2
          e2: retire
        > the share is 2
          e3: run g3#10 reading store#0
        > g4#8 is sealed
          g4#8 is done at a3
          e3: run g5#11 reading store#0
          wants 2 more
        > the share is 0
          e3: give back #11
          e1: give back #5
        """,
    )


def test_groups_go_where_their_inputs_are() -> None:
    """The groups of two readers: g2 and g4 read g0, g3 and g5 read g1."""
    rows = Flow(["-glow.inline"]).slice([1], 2).map(abs)
    transcript(
        [rows.map(str), rows.map(float)],
        """
          wants 2 more
        > e1 joins a1 in east/r1
          e1: run g0#4 reading store#0
          e1: run g1#5 reading store#0
          wants 1 more
        > e2 joins a2 in west/r1
          e1: give back #5
          wants 0 more
        > g0#4 starts
        > g1#5 comes back from e1
          e2: run g1#6 reading store#0
        > g0#4 is sealed
          g0#4 is done at a1
          e1: run g2#7 reading a1#4
          e1: run g4#8 reading a1#4
          wants 1 more
        > e3 joins a3 in west/r2
          e1: give back #8
          wants 0 more
        > g1#6 starts
        > g4#8 comes back from e1
          e3: run g4#9 reading a1#4
        > e4 joins a4 in west/r1
          e4: run g3#10 reading a2#6
        > e5 joins a5 in east/r1
          e5: run g5#11 reading a2#6
        """,
    )


def test_delivered_shards_are_not_computed_again() -> None:
    """Both groups were at the lost agent; the driver has not yet read one of them."""
    transcript(
        Flow(["-glow.inline"]).slice([1], 2).map(abs),
        """
          wants 2 more
        > e1 joins a1
          e1: run g0#2 reading store#0
          e1: run g1#3 reading store#0
          wants 1 more
        > g0#2 starts
        > g0#2 is sealed
          g0#2 is done at a1
          wants 0 more
        > g1#3 starts
        > g1#3 is sealed
          g1#3 is done at a1
          finished
        > the driver has got g0
        > agent a1 is lost
          g1 is undone
          wants 1 more
        > e2 joins a2
          e2: run g1#4 reading store#0
          wants 0 more
        > g1#4 starts
        > g1#4 is sealed
          g1#4 is done at a2
          finished
        """,
    )
