"""The inline runner for flows with channels: a fleet of one executor in this thread."""

from __future__ import annotations

from typing import Any

from glowpy.driver.clock import ListeningClock
from glowpy.driver.fleets.inline_fleet import InlineFleet
from glowpy.driver.job import Job
from glowpy.driver.run import Run
from glowpy.driver.scratch import scratch_directory
from glowpy.driver.view.report import Report
from glowpy.driver.view.run_monitor import RunMonitor
from glowpy.task.draws import kept_generators


def run_on_inline_fleet(job: Job) -> Any:
    """Run a job in this thread and return the value of the terminal call.

    Raises:
        GlowError: the run has failed; its files are removed.
    """
    plan, description, options, timing = job.plan, job.description, job.options, job.timing
    report = Report(timing, is_quiet=options.quiet)
    # No progress lines: a debugger uses the terminal.
    monitor = RunMonitor(plan, description, options._replace(quiet=True), timing, report)
    with scratch_directory("glowpy-inline-") as directory, kept_generators():
        fleet = InlineFleet(directory, plan, description, timing)
        with fleet:
            run = Run(job, fleet, report, monitor, ListeningClock(2 * timing.beat_s))
            fleet.take_turns_with(run.step)
            return run.execute()
