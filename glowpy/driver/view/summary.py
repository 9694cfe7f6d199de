"""The cost of a run by step group: as a table for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from textwrap import wrap
from typing import Any

from glowpy.amounts import counted, format_bytes, format_duration
from glowpy.columns import Column, fitted
from glowpy.driver.view.run_stats import RunStats, SealedWork, work_of
from glowpy.record import NamedTuple
from glowpy.wire.address import is_place
from glowpy.wire.run_messages import AttemptStats

_HERE = "here"  # shown for the socket path of a standalone run
_COLUMNS = (
    Column(title="step group", least_width=16, is_left=True),
    Column(title="tasks"),
    Column(title="rows in", importance=12),
    Column(title="bytes in", importance=6),
    Column(title="rows out", importance=11),
    Column(title="bytes out", importance=5),
    Column(title="waiting", importance=7),
    Column(title="running"),
    Column(title="slowest task", importance=10, is_left=True, usual=("-",)),
    Column(title="skew", importance=4, usual=("-",)),
    Column(title="agent", importance=3, usual=("-", _HERE)),
    Column(title="retries", importance=9, usual=("0",)),
    Column(title="spilled", importance=8, usual=("0 B",)),
)
_MOST_LABEL = 40


class StepSummary(NamedTuple):
    """The cost of one step group, from its sealed attempts; `retries` are the other attempts."""

    number: int
    label: str
    tasks: int
    sealed: int
    retries: int
    total: AttemptStats  # sum over the sealed tasks
    queued_s: float  # time between assignment and start, summed over tasks
    slowest: SealedWork | None
    slowest_task: int
    skew: float | None  # the slowest task's time divided by the median; None: fewer than two tasks
    agents: dict[str, int]  # sealed tasks, by agent


class RunSummary(NamedTuple):
    """The cost of one run."""

    run: str
    run_number: int
    outcome: str  # "done", "failed" or "interrupted"
    took_s: float
    executors_started: int
    most_executors: int
    steps: tuple[StepSummary, ...]


def summary_of(
    stats: RunStats, run: str, run_number: int, outcome: str, took_s: float
) -> RunSummary:
    """Return the summary of the final statistics."""
    return RunSummary(
        run=run,
        run_number=run_number,
        outcome=outcome,
        took_s=took_s,
        executors_started=stats.executors_seen,
        most_executors=stats.most_executors,
        steps=tuple(_of_step(stats, number) for number in range(len(stats.steps))),
    )


def _of_step(stats: RunStats, number: int) -> StepSummary:
    step, step_group = stats.steps[number], stats.plan.step_groups[number]
    total = [0.0] * len(AttemptStats._fields)
    queued_s = 0.0
    slowest: SealedWork | None = None
    times_s = []
    agents: Counter[str] = Counter()
    for sealed in stats.sealed_work(step_group.groups):
        total = [a + b for a, b in zip(total, sealed.work, strict=True)]
        queued_s += sealed.queued_s
        agents[sealed.agent] += 1
        times_s.append(sealed.took_s)
        if slowest is None or sealed.took_s > slowest.took_s:
            slowest = sealed
    return StepSummary(
        number=number,
        label=step.label,
        tasks=step.tasks,
        sealed=step.sealed,
        retries=step.retries,
        total=work_of(total),
        queued_s=queued_s,
        slowest=slowest,
        slowest_task=-1 if slowest is None else slowest.group - step_group.first_group,
        skew=_skew(times_s),
        agents=dict(agents),
    )


def _skew(times_s: list[float]) -> float | None:
    if len(times_s) < 2:
        return None
    times_s.sort()
    middle = len(times_s) // 2
    median_s = (times_s[middle] + times_s[-1 - middle]) / 2
    return times_s[-1] / median_s if median_s > 0 else None


def as_json(summary: RunSummary) -> str:
    """Return one line of JSON: an object with `step_groups`. Times are seconds, sizes bytes."""
    return json.dumps(
        {
            "run": summary.run,
            "run_number": summary.run_number,
            "outcome": summary.outcome,
            "took_s": round(summary.took_s, 6),
            "executors_started": summary.executors_started,
            "most_executors": summary.most_executors,
            "step_groups": [_step_as_json(step) for step in summary.steps],
        }
    )


def _step_as_json(step: StepSummary) -> dict[str, Any]:
    slowest = None
    if step.slowest is not None:
        slowest = {
            "task": step.slowest_task,
            "agent": _place(step.slowest.agent),
            "took_s": round(step.slowest.took_s, 6),
        }
    return {
        "number": step.number,
        "steps": step.label.split(">"),
        "tasks": step.tasks,
        "sealed": step.sealed,
        "retries": step.retries,
        **{
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in step.total._asdict().items()
        },
        "queued_s": round(step.queued_s, 6),
        "slowest": slowest,
        "skew": None if step.skew is None else round(step.skew, 3),
        "agents": {_place(agent): tasks for agent, tasks in step.agents.items()},
    }


def as_table(summary: RunSummary, width: int | None) -> str:
    """Return a heading, and a line for each step group, without a final newline.

    Args:
        width: characters in a line; None: no limit.
    """
    agents = {agent for step in summary.steps for agent in step.agents}
    tasks = sum(step.sealed for step in summary.steps)
    where = f" of {counted(len(agents), 'agent')}" if agents else ""
    if set(map(_place, agents)) == {_HERE}:
        where = " on this machine"
    head = (
        f"glowpy: run {summary.run_number} {summary.outcome} in {format_duration(summary.took_s)}: "
        f"{counted(tasks, 'task')} on at most {counted(summary.most_executors, 'executor')}"
        f"{where}"
    )
    lines, left_out = fitted(_COLUMNS, [_cells(step) for step in summary.steps], width)
    if left_out:
        rest = (
            f"not shown: {', '.join(left_out)}; a wider terminal or -glow.flow.stat=json has them"
        )
        lines += wrap(rest, width or len(rest), subsequent_indent="  ")
    return "\n".join([*wrap(head, width or len(head), subsequent_indent="  "), *lines])


def _cells(step: StepSummary) -> tuple[str, ...]:
    label = f"{step.number} {step.label}"
    if len(label) > _MOST_LABEL:
        label = f"{label[: _MOST_LABEL - 1]}…"
    slowest = "-"
    if step.slowest is not None:
        place = _place(step.slowest.agent)
        where = "" if place == _HERE else f" at {place}"
        slowest = f"{step.slowest_task}: {format_duration(step.slowest.took_s)}{where}"
    total = step.total
    return (
        label,
        str(step.tasks) if step.sealed == step.tasks else f"{step.sealed} of {step.tasks}",
        f"{total.rows_in:,}",
        format_bytes(total.bytes_in),
        f"{total.rows_out:,}",
        format_bytes(total.bytes_out),
        format_duration(total.waited_s),
        format_duration(total.ran_s),
        slowest,
        "-" if step.skew is None else f"{step.skew:.1f}",
        _places(step.agents),
        str(step.retries),
        format_bytes(total.spilled_bytes),
    )


def _places(agents: Collection[str]) -> str:
    return ", ".join(map(_place, agents)) if len(agents) == 1 else str(len(agents))


def _place(agent: str) -> str:
    return agent if is_place(agent) else _HERE
