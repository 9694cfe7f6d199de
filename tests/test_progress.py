"""The progress line of a run, and the format of amounts."""

from __future__ import annotations

import re

import pytest

from glowpy import Flow
from glowpy.amounts import format_bytes, format_duration, format_rows
from glowpy.driver.scheduling import events as do
from glowpy.driver.view.bars import plain
from glowpy.driver.view.progress import RunProgress, StepLine, worth_showing
from glowpy.driver.view.run_stats import RunStats
from glowpy.driver.view.summary import as_json, as_table, summary_of
from glowpy.planner.fusion import make_plan
from glowpy.wire import run_messages as wire
from glowpy.wire.run_messages import AttemptStats, GroupEnded, Outcome


def stats_of_two_step_groups() -> RunStats:
    """Groups 0 and 1 map, group 2 reduces."""
    dataset = Flow(["-glow.inline"]).slice([1], 2).map(abs).reduce(max)
    return RunStats(make_plan(dataset._graph, [dataset._node], stored=True))


@pytest.fixture
def stats() -> RunStats:
    """e1 at a1 has sealed group 0 in 3 s and runs group 2; e2 at a2 is at work on group 1."""
    stats = stats_of_two_step_groups()
    for now, event in (
        (100.0, do.ExecutorJoined("e1", "a1:1")),
        (100.0, do.ExecutorJoined("e2", "a2:2")),
        (100.0, do.Assign("e1", 0, 10, ())),
        (100.0, do.Assign("e2", 1, 11, ())),
        (101.0, do.GroupStarted(10)),
        (102.0, do.GroupStarted(11)),
        (
            104.0,
            GroupEnded(
                "r", "e1", 0, 10, Outcome.SEALED, (), AttemptStats(2000, 9, 1, 8, 7, 1.0, 2.0)
            ),
        ),
        (104.0, do.GroupDone(0, 10, "a1:1")),
        (104.0, do.Assign("e1", 2, 12, ())),
        (104.0, do.GroupStarted(12)),
        (104.0, do.Assign("e2", 2, 13, ())),
        (105.0, wire.Progress("r", ((11, AttemptStats(rows_in=1000, rows_out=1, waited_s=0.5)),))),
    ):
        stats.take(event, now)
        stats.check_invariants()
    return stats


def test_a_line_for_each_step_group(stats: RunStats) -> None:
    progress = RunProgress(stats, 100.0)
    first, second = progress.lines(110.0)
    assert first == (0, first.label, 1, 2, 1, 3000, 300.0)
    assert second == (1, second.label, 0, 1, 1, 0, 0.0)
    assert (first.label, second.label) == ("Input0>Map1>LocalReduce2", "MergeReduce3")


def test_rows_per_second_are_those_of_the_last_seconds(stats: RunStats) -> None:
    progress = RunProgress(stats, 100.0)
    rates = []
    for second in range(10):
        rows = 1000 * second if second < 4 else 4000
        stats.take(wire.Progress("r", ((11, AttemptStats(rows_in=1000 + rows)),)), 110.0)
        rates.append(progress.lines(110.0 + second)[0].rows_per_s)
    assert rates[0] == 300.0  # since the beginning
    assert rates[1:4] == [1000.0] * 3
    assert rates[-1] == 0.0
    assert sorted(rates[4:], reverse=True) == rates[4:]


def test_rows_that_were_lost_make_no_negative_rate(stats: RunStats) -> None:
    progress = RunProgress(stats, 100.0)
    progress.lines(110.0)
    stats.take(do.ExecutorLeft("e2", "SIGKILL"), 111.0)
    assert progress.lines(111.0)[0].rows_per_s == 0.0


def test_one_sentence_for_those_without_a_terminal(stats: RunStats) -> None:
    assert RunProgress(stats, 100.0).sentence(110.0) == (
        "10.0 s: 1 of 3 tasks done, 2 running on 2 executors; "
        "Input0>Map1>LocalReduce2 1/2, 300 rows/s; MergeReduce3 0/1, 0 rows/s"
    )


def test_the_state_of_every_running_group(stats: RunStats) -> None:
    first, *states, last = RunProgress(stats, 100.0).states(110.0)
    assert first.startswith("10.0 s: 1 of 3 tasks done")
    states = [re.sub(r"\(.*?\)", "(…)", state) for state in states]
    assert states == [
        "Input0>Map1>LocalReduce2 (…) task 1 of 2, group 1, attempt 11 on executor e2 at a2:2: "
        "running for 8.0 s, of which it waited 500 ms for its inputs, 1.0k rows in, 1 out",
        "MergeReduce3 (…), group 2, attempt 12 on executor e1 at a1:1: running for 6.0 s",
    ]
    assert last == "1 task assigned and not begun"


def test_the_view_shows_as_many_lines_as_fit() -> None:
    def lines(states: str) -> list[StepLine]:
        done = {"r": (0, 1), "w": (0, 0), "d": (2, 0)}
        return [
            StepLine(n, state, done[state][0], 2, done[state][1], 0, 0.0)
            for n, state in enumerate(states)
        ]

    def shown(states: str, room: int) -> tuple[list[int], int]:
        chosen, left_out = worth_showing(lines(states), room)
        return [line.number for line in chosen], left_out

    assert shown("ddrw", 4) == ([0, 1, 2, 3], 0)
    assert shown("ddrwr", 4) == ([0, 2, 3, 4], 1)
    assert shown("dddrw", 2) == ([3, 4], 3)
    assert shown("ddrwrr", 2) == ([2, 4], 4)
    assert shown("dd", 0) == ([], 2)
    text = plain(lines("d" * 30), "the whole", 60, 5)
    assert len(text) == 5 and max(map(len, text)) < 60
    assert text[-1] == "the whole; 26 more not shown"
    assert plain(lines("r"), "", 120, 5)[0].split() == ["0", "r", "." * 20, *"0/2 1".split()] + [
        "running",
        "0",
        "rows,",
        "0/s",
    ]


def test_the_summary_counts_what_is_sealed(stats: RunStats) -> None:
    summary = summary_of(stats, "r", 3, "failed", 12.0)
    first, second = summary.steps
    assert (first.tasks, first.sealed, first.retries, first.queued_s) == (2, 1, 0, 1.0)
    assert first.total == AttemptStats(2000, 9, 1, 8, 7, 1.0, 2.0)
    assert (first.slowest_task, first.agents, first.skew) == (0, {"a1:1": 1}, None)
    assert (second.sealed, second.slowest, second.total) == (0, None, AttemptStats())
    text = as_table(summary, None)
    assert text.splitlines()[0] == (
        "glowpy: run 3 failed in 12.0 s: 1 task on at most 2 executors of 1 agent"
    )
    words = "0 Input0>Map1>LocalReduce2 1 of 2 2,000 9 B 1 8 B 1.0 s 2.0 s 0: 3.0 s at a1:1 - a1:1"
    assert " ".join(text.splitlines()[2].split()).startswith(words)
    assert '"slowest": {"task": 0, "agent": "a1:1", "took_s": 3.0}' in as_json(summary)


@pytest.mark.parametrize(
    ("times_s", "skew"), [([4.0, 1.0], 1.6), ([1.0, 1.0], 1.0), ([0.0, 0.0], None), ([5.0], None)]
)
def test_skew_is_the_slowest_to_the_median(times_s: list[float], skew: float | None) -> None:
    stats = stats_of_two_step_groups()
    for group, took_s in enumerate(times_s):
        stats.take(do.Assign("e", group, group, ()), 0.0)
        stats.take(do.GroupStarted(group), 0.0)
        work = AttemptStats(ran_s=took_s)
        stats.take(GroupEnded("r", "e", group, group, Outcome.SEALED, (), work), 0.0)
        stats.take(do.GroupDone(group, group, "a"), 0.0)
    step = summary_of(stats, "r", 1, "done", 1.0).steps[0]
    assert step.skew == skew
    assert step.slowest is not None and step.slowest.took_s == max(times_s)


def test_amounts_never_show_a_thousand_of_a_unit() -> None:
    for power in range(13):
        for number in (10**power - 1, 10**power, 10**power + 1, 9.9999 * 10**power):
            for text in (format_rows(number), format_bytes(number)):
                digits = re.match(r"[\d.]+", text)
                assert digits is not None and (float(digits[0]) < 1000 or "T" in text), text
    assert [format_duration(s) for s in (0.0, 0.9996, 59.94, 59.96, 3599.6, 7300)] == [
        "0 ms",
        "1.0 s",
        "59.9 s",
        "1 min 0 s",
        "1 h 0 min",
        "2 h 1 min",
    ]
