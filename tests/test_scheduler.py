"""The scheduler as transcripts: what it is told, and what it wants done.

`>` is an event, the lines below it the actions. `e1` is an executor, `a1` an agent; `g0#4` is the
attempt numbered 4 of task group 0, and `a1#4` what it has written there.
"""

from __future__ import annotations

import re
from operator import add
from textwrap import dedent
from typing import Any

from glowpy import Dataset, Flow
from glowpy.driver import scheduling as do
from glowpy.driver.scheduler import Scheduler
from glowpy.errors import TaskFailed
from glowpy.planner.fusion import make_plan


def transcript(dataset: Dataset, script: str, *, lost_attempts: int = 3) -> None:
    """Play the events of a script and compare the actions with it."""
    plan = make_plan(dataset._graph, [dataset._node], stored=True)
    scheduler = Scheduler(plan, lost_attempts=lost_attempts, store_owner="store")
    said = _told(scheduler.start())
    expected = dedent(script).strip("\n").rstrip()
    for line in expected.splitlines():
        if line.startswith(">"):
            said.append(line)
            said += _told(scheduler.handle(_event(line), 0.0))
            scheduler.check_invariants()
    assert "\n".join(said) == expected


def _event(line: str) -> Any:
    words = line.split()[1:]
    numbers = [int(number) for number in re.findall(r"#(\d+)", line)]
    match words:
        case [executor, "joins", agent]:
            return do.ExecutorJoined(executor, agent)
        case [executor, "dies:", *cause]:
            return do.ExecutorLeft(executor, " ".join(cause))
        case ["agent", agent, "is", "lost"]:
            return do.AgentLost(agent, "silent")
        case [_, "starts"]:
            return do.GroupStarted(numbers[0])
        case [_, "is", "sealed"]:
            return do.GroupSealed(numbers[0], 1)
        case [_, "raises"]:
            return do.GroupFailed(numbers[0], TaskFailed("boom"))
        case [_, "misses", _]:
            return do.InputLost(numbers[0], numbers[1], "gone")
        case [_, "has", "stopped"]:
            return do.GroupAborted(numbers[0])
        case [_, "comes", "back", "from", executor]:
            return do.Recalled(executor, numbers[0])
        case ["the", "driver", "misses", _]:
            return do.ShardLost(numbers[0])
    raise AssertionError(line)


def _told(actions: list[Any]) -> list[str]:
    # a label ends in the user's line, which is one of this file
    return [re.sub(r" \(test_\S+:\d+\)", "", "  " + _words(action)) for action in actions]


def _words(action: Any) -> str:
    match action:
        case do.Demand(count):
            return f"wants {count} more"
        case do.Assign(executor, group, attempt, inputs):
            read = ", ".join(
                f"{owner}#{number}" for edge in inputs for owner, number, _ in edge.shards()
            )
            return f"{executor}: run g{group}#{attempt}" + (f" reading {read}" if read else "")
        case do.Recall(executor, attempt):
            return f"{executor}: give back #{attempt}"
        case do.Abort(executor, attempt):
            return f"{executor}: stop #{attempt}"
        case do.Retire(executor):
            return f"{executor}: retire"
        case do.GroupDone(group, attempt, owner):
            return f"g{group}#{attempt} is done at {owner}"
        case do.GroupUndone(group):
            return f"g{group} is undone"
        case do.Finished():
            return "finished"
        case do.Failed(error):
            return f"failed: {type(error).__name__}: {error}"
    raise AssertionError(action)


def summed(shards: int) -> Dataset:
    """`shards` groups that read a slice, and one that reads them all: g0, g1 … and the last."""
    return Flow(["-glow.inline"]).slice([1], shards).map(abs).reduce(add)


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


def test_what_waits_behind_another_goes_to_an_executor_that_idles() -> None:
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


def test_an_assignment_that_has_begun_meanwhile_stays_where_it_is() -> None:
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


def test_a_consumer_starts_early_and_is_stopped_when_what_it_reads_is_lost() -> None:
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
