"""Transcripts of speculative attempts of slow groups (`-glow.speculate`)."""

from __future__ import annotations

from textwrap import dedent

from glowpy import Flow
from tests.scheduler_transcript import summed, transcript

TWO_BEGUN = """\
  wants 2 more
> e1 joins a1
  e1: run g0#2 reading store#0
  e1: run g1#3 reading store#0
  wants 1 more
> e2 joins a2
  e1: give back #3
  wants 0 more
> g0#2 starts
> g1#3 comes back from e1
  e2: run g1#4 reading store#0
> g1#4 starts
"""


def with_two_begun(more: str, *, speculates: bool = True) -> None:
    """Play events after the start of two groups at two agents, without readers."""
    groups = Flow(["-glow.inline"]).slice([1], 2).map(abs)
    transcript(groups, TWO_BEGUN + dedent(more).lstrip("\n"), speculates=speculates)


def test_a_slow_attempt_gets_a_speculative_attempt_that_wins() -> None:
    with_two_begun(
        """
        > 1 s pass
        > g1#4 is sealed
          g1#4 is done at a2
        > 0.5 s pass
        > 0.5 s pass
          e2: run g0#5 reading store#0
        > g0#5 starts
        > g0#5 is sealed
          e1: stop #2
          g0#5 is done at a2
          finished
        > g0#2 is sealed
        """
    )


def test_the_slow_one_is_faster_after_all() -> None:
    with_two_begun(
        """
        > 1 s pass
        > g1#4 is sealed
          g1#4 is done at a2
        > 5 s pass
          e2: run g0#5 reading store#0
        > g0#2 is sealed
          e2: stop #5
          g0#2 is done at a1
          finished
        > g0#5 has stopped
        """
    )


def test_a_speculative_attempt_replaces_a_lost_one() -> None:
    with_two_begun(
        """
        > 1 s pass
        > g1#4 is sealed
          g1#4 is done at a2
        > 5 s pass
          e2: run g0#5 reading store#0
        > agent a1 is lost
        > g0#5 starts
        > g0#5 is sealed
          g0#5 is done at a2
          finished
        """
    )


def test_a_speculative_attempt_that_dies_changes_nothing() -> None:
    with_two_begun(
        """
        > 1 s pass
        > g1#4 is sealed
          g1#4 is done at a2
        > 5 s pass
          e2: run g0#5 reading store#0
        > g0#5 starts
        > e2 dies: signal SIGKILL
        > g0#2 is sealed
          g0#2 is done at a1
          finished
        """
    )


def test_errors_in_a_speculative_attempt_count() -> None:
    with_two_begun(
        """
        > 1 s pass
        > g1#4 is sealed
          g1#4 is done at a2
        > 5 s pass
          e2: run g0#5 reading store#0
        > g0#5 starts
        > g0#5 raises
          failed: TaskFailed: boom
        """
    )


def test_readers_read_the_current_attempt_and_restart_when_a_speculative_one_wins() -> None:
    """Readers start again when the speculative attempt is complete.

    The first reader is pipelined, on an executor that no speculative attempt needs, and reads the
    slow attempt.
    """
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
        > e3 joins a3
        > e4 joins a3
        > e5 joins a3
          e3: run g2#7 reading a1#4, a2#6
        > g2#7 starts
        > 1 s pass
        > g1#6 is sealed
          g1#6 is done at a2
          e2: retire
          e5: retire
        > 5 s pass
          e4: run g0#8 reading store#0
        > g0#8 starts
        > g0#8 is sealed
          e1: stop #4
          e3: stop #7
          g0#8 is done at a3
          e4: run g2#9 reading a3#8, a2#6
        > g0#4 has stopped
          e1: retire
        > g2#7 has stopped
          e3: retire
        > g2#9 starts
        > g2#9 is sealed
          g2#9 is done at a3
          finished
        """,
        speculates=True,
    )


def test_idle_executors_are_returned_without_the_flag() -> None:
    with_two_begun(
        """
        > g1#4 is sealed
          g1#4 is done at a2
          e2: retire
        > 100 s pass
        > g0#2 is sealed
          g0#2 is done at a1
          finished
        """,
        speculates=False,
    )
