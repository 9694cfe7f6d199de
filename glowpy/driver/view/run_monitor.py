"""The user's view of a run, during it and at its end.

A short run without any view pays only for a list of its events: the statistics and the drawing code
are loaded once the run has lasted a while, or is interrupted.

    on a terminal       a line for each step group, redrawn several times a second
    in a notebook       the same in the output of the cell
    elsewhere           a line on stderr every ten seconds
    -glow.quiet         neither
    -glow.flow.stat     the cost of the run, at the end
    -glow.log.level     events and actions, line by line
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from glowpy.driver.view.report import Report, is_screen
from glowpy.flags import Options
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.timing import Timing

if TYPE_CHECKING:
    from glowpy.driver.view.bars import Paint
    from glowpy.driver.view.cell_output import CellOutput
    from glowpy.driver.view.progress import RunProgress
    from glowpy.driver.view.run_log import RunLog
    from glowpy.driver.view.run_stats import RunStats
    from glowpy.driver.view.screen import Screen


_SOONER = 5  # times the redraw rate, after other output


class RunMonitor:
    """Follows one run. A context manager around the run: leaving reports its outcome."""

    def __init__(
        self,
        plan: Plan,
        description: RunDescription,
        options: Options,
        timing: Timing,
        report: Report,
    ) -> None:
        self._plan = plan
        self._description = description
        self._timing = timing
        self._report = report
        self._stat = options.flow_stat
        self._is_quiet = options.quiet
        self._begun_at = time.monotonic()
        self._early: list[tuple[object, float]] = []  # events before the statistics were loaded
        self._stats: RunStats | None = None
        self._progress: RunProgress | None = None
        self._screen: Screen | CellOutput | None = None
        self._paint: Paint | None = None
        self._painted: list[str] = []
        self._was_shown = False
        self._drawn_at = 0.0
        self._next = self._begun_at + timing.view_after_s
        self._log: RunLog | None = None
        if options.log_level:
            self._log = _run_log(options.log_level, description, plan)
        if options.quiet and not options.flow_stat:
            self._next = float("inf")  # no view will need the statistics

    def heard(self, event: object) -> None:
        """Record an event or an action of the scheduler, or an agent's message about attempts."""
        if self._log is not None:
            self._log.take(event)
        if self._stats is not None:
            self._stats.take(event, time.monotonic())
        elif self._next != float("inf"):
            self._early.append((event, time.monotonic()))

    def advance(self, now: float) -> float:
        """Show what is due; return the time of the next call, by the caller's clock."""
        ours = time.monotonic()
        if ours >= self._next:
            self._next = ours + self._show(ours)
        due = self._next
        if self._screen is not None and self._screen.is_covered:
            # Other output erased the lines: redraw soon, but not after each line of output.
            again = self._drawn_at + self._timing.view_s / _SOONER
            if ours >= again:
                self._drawn_at = ours
                self._screen.draw(self._painted)
            else:
                due = min(due, again)
        return now + due - ours

    def _show(self, now: float) -> float:
        """Show the progress of the run; return the time until the next update."""
        progress = self._follow()
        if self._is_quiet:
            return float("inf")  # from now on, events go to the statistics
        if self._screen is None:
            self._open_screen()
        if self._screen is None:
            since_s = now - self._begun_at
            if since_s >= self._timing.progress_s:
                if not self._only_serves():
                    self._was_shown = True
                    self._report.note(progress.sentence(now))
                return self._timing.progress_s
            return self._timing.progress_s - since_s
        size = self._screen.size()
        lines = progress.lines(now)  # also while hidden: rates need samples
        if size is not None and self._paint is not None:
            self._was_shown = True
            self._painted = self._paint(lines, progress.whole(now), *size)
            self._screen.draw(self._painted)
            self._drawn_at = now
        return self._timing.view_s

    def _only_serves(self) -> bool:
        """Return True if every running group lasts as long as the program's channels."""
        if not self._plan.has_streaming_groups or self._stats is None:
            return False
        groups = [each.group for each in self._stats.held()]
        return bool(groups) and all(
            self._plan.step_group_of(group).is_streaming for group in groups
        )

    def _open_screen(self) -> None:
        from glowpy.notebook import is_notebook

        if is_notebook():
            from glowpy.driver.view.bars import plain
            from glowpy.driver.view.cell_output import CellOutput

            self._paint, self._screen = plain, CellOutput()
        if self._screen is not None or not is_screen(sys.stderr):
            return
        from glowpy.driver.view.screen import Screen, take_terminal

        if take_terminal():  # otherwise another run of this process is shown
            from glowpy.driver.view.bars import painter

            self._paint = painter(sys.stderr)
            self._screen = Screen(sys.stderr)
            self._screen.__enter__()

    def _follow(self) -> RunProgress:
        """Load the statistics, apply all events so far, and return the progress."""
        if self._progress is None:
            from glowpy.driver.view.progress import RunProgress
            from glowpy.driver.view.run_stats import RunStats

            stats = RunStats(self._plan)
            for event, at in self._early:
                stats.take(event, at)
            self._early.clear()
            self._stats = stats
            self._progress = RunProgress(stats, self._begun_at)
        return self._progress

    def __enter__(self) -> RunMonitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        now = time.monotonic()
        outcome = "done" if kind is None else "failed"
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            outcome = "interrupted"
        elif self._was_shown and not self._stat:
            end = self._follow().end(self._description.run_number, outcome, now)
            if self._screen is None:
                self._report.note(end)
            else:
                self._screen.leave(f"glowpy: {end}")
        if self._screen is not None:
            self._screen.__exit__(None, None, None)
        if outcome == "interrupted":
            self.tell_states()
        if self._log is not None:
            self._log.ended(outcome, now - self._begun_at)
        if self._stat:
            self._report.show(self._summary(outcome, now - self._begun_at))

    def tell_states(self) -> None:
        """Say what is running, after Ctrl-C."""
        if self._is_quiet:
            return
        if is_screen(sys.stderr):
            self._report.show("")  # the terminal shows ^C at the beginning of this line
        for text in self._follow().states(time.monotonic()):
            self._report.note(text)

    def _summary(self, outcome: str, took_s: float) -> str:
        from glowpy.columns import width_of
        from glowpy.driver.view.summary import as_json, as_table, summary_of

        self._follow()
        assert self._stats is not None
        description = self._description
        summary = summary_of(self._stats, description.run, description.run_number, outcome, took_s)
        return as_json(summary) if self._stat == "json" else as_table(summary, width_of(sys.stderr))


def _run_log(level: str, description: RunDescription, plan: Plan) -> RunLog:
    from glowpy.driver.view.run_log import RunLog
    from glowpy.logs import start_log

    start_log(level, logger="glowpy", run=description.run)
    return RunLog(description.run, description.run_number, plan)
