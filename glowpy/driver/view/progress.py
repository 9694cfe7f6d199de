"""The progress of a run as text, from its statistics and the time. Pure, without output."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from glowpy.amounts import counted, format_duration, format_rows
from glowpy.driver.view.run_stats import RunningAttempt, RunStats
from glowpy.record import NamedTuple
from glowpy.wire.address import is_place

_WINDOW_S = 5.0  # the window for rows per second: long enough for readable numbers
_MOST_NAMED = 3  # step groups in the log line


class StepLine(NamedTuple):
    """The progress of one step group at one moment."""

    number: int
    label: str
    sealed: int
    tasks: int
    running: int  # attempts, each on its own executor
    rows: int  # read so far
    rows_per_s: float

    @property
    def is_over(self) -> bool:
        return self.sealed == self.tasks


class RunProgress:
    """Progress of a run now, and rates over the last seconds."""

    def __init__(self, stats: RunStats, begun_at: float) -> None:
        self._stats = stats
        self._begun_at = begun_at
        self._samples: deque[tuple[float, list[int]]] = deque()

    def lines(self, now: float) -> list[StepLine]:
        """Return a line for each step group, in order."""
        rows = [step.rows for step in self._stats.steps]
        self._samples.append((now, rows))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW_S:
            self._samples.popleft()
        since, before = self._samples[0]
        if len(self._samples) == 1:
            since, before = self._begun_at, [0] * len(rows)
        took_s = now - since
        return [
            StepLine(
                number=number,
                label=step.label,
                sealed=step.sealed,
                tasks=step.tasks,
                running=step.running,
                rows=rows[number],
                rows_per_s=max(0, rows[number] - before[number]) / took_s if took_s > 0 else 0.0,
            )
            for number, step in enumerate(self._stats.steps)
        ]

    def whole(self, now: float) -> str:
        """Return a short summary of the whole run."""
        stats = self._stats
        at_work = counted(len(stats.executors), "executor")
        return (
            f"{format_duration(now - self._begun_at)}: "
            f"{stats.sealed} of {stats.plan.group_count} tasks done, "
            f"{stats.running} running on {at_work}"
        )

    def end(self, run_number: int, outcome: str, now: float) -> str:
        """One line that stays when the run has ended."""
        stats = self._stats
        done = f"{stats.sealed} of {stats.plan.group_count} tasks"
        if stats.sealed == stats.plan.group_count:
            done = counted(stats.sealed, "task")
        took = format_duration(now - self._begun_at)
        return (
            f"run {run_number} {outcome} in {took}: {done} on at most "
            f"{counted(stats.most_executors, 'executor')}"
        )

    def sentence(self, now: float) -> str:
        """Return one line for a log: the whole run, and the running step groups."""
        busy = [line for line in self.lines(now) if line.running]
        named = [
            f"{line.label} {line.sealed}/{line.tasks}, {format_rows(line.rows_per_s)} rows/s"
            for line in busy[:_MOST_NAMED]
        ]
        if len(busy) > _MOST_NAMED:
            named.append(f"{len(busy) - _MOST_NAMED} more step groups")
        return "; ".join([self.whole(now), *named])

    def states(self, now: float) -> list[str]:
        """Return the summary of the run, and the state of every running attempt."""
        found = [self.whole(now)]
        queued = 0
        for attempt in self._stats.held():
            if attempt.begun_at is None:
                queued += 1
            else:
                found.append(self._state(attempt, attempt.begun_at, now))
        if queued:
            found.append(f"{counted(queued, 'task')} assigned and not begun")
        return found

    def _state(self, attempt: RunningAttempt, begun_at: float, now: float) -> str:
        work = attempt.work
        agent = self._stats.executors.get(attempt.executor, "")
        where = f" at {agent}" if is_place(agent) else ""
        parts = [f"running for {format_duration(now - begun_at)}"]
        if work.waited_s:
            parts.append(f"of which it waited {format_duration(work.waited_s)} for its inputs")
        if work.rows_in or work.rows_out:
            parts.append(f"{format_rows(work.rows_in)} rows in, {format_rows(work.rows_out)} out")
        return (
            f"{self._stats.plan.task_group(attempt.group).label}, group {attempt.group}, "
            f"attempt {attempt.number} on executor {attempt.executor}{where}: {', '.join(parts)}"
        )


def worth_showing(lines: Sequence[StepLine], room: int) -> tuple[list[StepLine], int]:
    """Return the step groups that fit into `room` lines, and the number left out.

    Running groups come first, then future ones, then finished ones.
    """
    if len(lines) <= room:
        return list(lines), 0
    order = sorted(lines, key=lambda line: (not line.running, line.is_over))
    chosen = sorted(order[: max(0, room)])
    return chosen, len(lines) - len(chosen)
