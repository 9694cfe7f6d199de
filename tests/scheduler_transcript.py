"""Plays a script of events to a scheduler and compares its actions with the script.

`>` is an event, the lines below it the actions. `e1` is an executor, `a1` an agent; `g0#4` is the
attempt numbered 4 of task group 0, and `a1#4` its output at the agent.
"""

from __future__ import annotations

import re
from operator import add
from textwrap import dedent
from typing import Any

from glowpy import Dataset, Flow
from glowpy.driver.scheduling import events as do
from glowpy.driver.scheduling.scheduler import Scheduler
from glowpy.errors import TaskFailed
from glowpy.locality import Place
from glowpy.planner.fusion import make_plan


def transcript(
    datasets: Dataset | list[Dataset],
    script: str,
    *,
    lost_attempts: int = 3,
    speculates: bool = False,
) -> None:
    """Play the events of a script and compare the actions with it.

    Only `> 5 s pass` advances the clock.
    """
    targets = datasets if isinstance(datasets, list) else [datasets]
    graph = targets[0]._graph
    outputs = [output.dataset for output in graph.outputs]
    stored = not outputs
    plan = make_plan(graph, [each._node for each in targets], stored=stored, outputs=outputs)
    scheduler = Scheduler(
        plan,
        lost_attempts=lost_attempts,
        lost_agents=10,
        store_owner="store",
        speculates=speculates,
    )
    now = 0.0
    said = _lines_of(scheduler.start())
    expected = dedent(script).strip("\n").rstrip()
    for line in expected.splitlines():
        if line.startswith(">"):
            said.append(line)
            if line.endswith(" s pass"):
                now += float(line.split()[1])
            said += _lines_of(scheduler.handle(_event(line), now))
            scheduler.check_invariants()
    assert "\n".join(said) == expected


def _event(line: str) -> Any:
    words = line.split()[1:]
    numbers = [int(number) for number in re.findall(r"#(\d+)", line)]
    match words:
        case [executor, "joins", agent, *place]:
            center, _, rack = place[-1].partition("/") if place else ("", "", "")
            return do.ExecutorJoined(executor, agent, Place(center, rack, agent))
        case [executor, "dies:", *cause]:
            return do.ExecutorLeft(executor, " ".join(cause))
        case ["agent", agent, "is", "lost"]:
            return do.AgentLost(agent, "silent")
        case ["the", "share", "is", count]:
            return do.ShareChanged(int(count))
        case [_, "starts"]:
            return do.GroupStarted(numbers[0])
        case [_, "is", "sealed"]:
            return do.GroupSealed(numbers[0])
        case [_, "raises"]:
            return do.GroupFailed(numbers[0], TaskFailed("boom"))
        case [_, "misses", _]:
            return do.InputLost(numbers[0], numbers[1], "gone")
        case [_, "has", "stopped"]:
            return do.GroupAborted(numbers[0])
        case [_, "comes", "back", "from", executor]:
            return do.Recalled(executor, numbers[0])
        case [_, "s", "pass"]:
            return do.TimePassed()
        case ["no", "more", "executors", "come"]:
            return do.FleetSettled()
        case ["the", "driver", "has", "got", group]:
            return do.GroupCollected(int(group[1:]))
        case ["the", "driver", "misses", _]:
            return do.ShardLost(numbers[0])
    raise AssertionError(line)


def _lines_of(actions: list[Any]) -> list[str]:
    # a label ends in the user's line, which is a line of a test file
    return [
        re.sub(r" \(\S+\.py:\d+(, \S+\.py:\d+)*\)", "", "  " + _words(action)) for action in actions
    ]


def _words(action: Any) -> str:
    match action:
        case do.Demand(count):
            return f"wants {count} more"
        case do.Assign(executor, group, attempt, inputs, is_streaming):
            read = ", ".join(
                f"{owner}#{number}" for edge in inputs for owner, number, _ in edge.shards()
            )
            how = "run live" if is_streaming else "run"
            return f"{executor}: {how} g{group}#{attempt}" + (f" reading {read}" if read else "")
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
    """`shards` groups that read a slice, and a last group that reads all of them: g0, g1 …"""
    return Flow(["-glow.inline"]).slice([1], shards).map(abs).reduce(add)
