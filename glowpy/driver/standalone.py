"""The standalone runner: a cluster of one.

A fork server, forked before anything else is opened, forks the executors; the driver embeds an
agent's core. Executors start while the driver still loads the agent's modules.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from glowpy.driver.fleets.fork_server import ForkServer, executor_name
from glowpy.driver.job import Job
from glowpy.driver.loading import loading
from glowpy.driver.scratch import STANDALONE_PREFIX, scratch_directory
from glowpy.driver.view.report import Report, is_screen
from glowpy.flags import Options
from glowpy.flow.graph import Graph
from glowpy.planner.plan import Plan
from glowpy.resources import cores
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.address import IpcAddress
from glowpy.wire.security import Policy
from glowpy.wire.transport import FEW_SOCKETS, Poller, Transport

if TYPE_CHECKING:
    from glowpy.driver.view.captured import CapturedOutput


def run_standalone(job: Job) -> Any:
    """Run a job on this machine's cores and return the value of the terminal call.

    Raises:
        GlowError: the run has failed; nothing of the run is left behind.
    """
    plan, description, options, timing = job.plan, job.description, job.options, job.timing
    worker_count = options.workers or cores()
    if threading.active_count() > 1:
        _load_executor()  # now: at fork time, another thread might hold the import lock of a module
    with scratch_directory(STANDALONE_PREFIX, for_sockets=True, has_janitor=False) as directory:
        endpoint = IpcAddress(os.path.join(directory, "agent"))
        report = Report(timing, is_quiet=options.quiet)
        poller = Poller()
        with _captured(poller, report, options) as captured:
            run = (job.graph, str(endpoint), description.run, timing)
            main = partial(_executor_main, captured, *run)
            become_fresh = partial(_become_fresh, captured, directory)
            prepare_fresh = partial(_prepare_fresh_start, directory, *run)
            starts_fresh = _must_start_fresh(options, report)
            if starts_fresh:
                prepare_fresh()
            with (
                ForkServer(main, directory, _load_executor, become_fresh) as fork_server,
                Transport(Policy(), timing.without_linger(), most_sockets=FEW_SOCKETS) as transport,
            ):
                fork_server.starts_fresh = starts_fresh
                server = transport.serve(endpoint)
                # The scheduler's first demand, as far as idle cores allow.
                ahead = max(1, min(worker_count - 1, tasks_at_once(plan)))
                fork_server.start_ahead([executor_name(number) for number in range(1, ahead + 1)])
                with loading():
                    from glowpy.driver.clock import ListeningClock
                    from glowpy.driver.fleets.standalone_fleet import StandaloneFleet
                    from glowpy.driver.run import Run
                    from glowpy.driver.view.run_monitor import RunMonitor
                clock = ListeningClock(2 * timing.beat_s)
                fleet = StandaloneFleet(
                    fork_server,
                    transport,
                    server,
                    poller,
                    captured,
                    directory,
                    plan,
                    description,
                    worker_count,
                    timing,
                    prepare_fresh,
                )
                with fleet:
                    monitor = RunMonitor(plan, description, options, timing, report)
                    return Run(job, fleet, report, monitor, clock).execute()


def tasks_at_once(plan: Plan) -> int:
    """Return the number of task groups that read no other group's output."""
    return sum(
        step_group.task_count
        for step_group in plan.step_groups
        if all(edge.source < 0 for edge in step_group.inputs)
    )


def _captured(
    poller: Poller, report: Report, options: Options
) -> AbstractContextManager[CapturedOutput | None]:
    """Capture executors' output where the driver's terminal shows a live view."""
    if options.quiet or not is_screen(sys.stderr):
        return nullcontext()
    from glowpy.driver.view.captured import CapturedOutput

    return CapturedOutput(poller, report)


def _load_executor() -> None:
    """Load the executor's modules in the fork server, while the driver loads its own part."""
    with loading():
        import glowpy.driver.fleets.executor_life
        import glowpy.driver.orphan_dirs
        import glowpy.task.lifeline  # noqa: F401


def _must_start_fresh(options: Options, report: Report) -> bool:
    """Return True if forks of this process could hang, so that executors must be new processes."""
    if options.start:
        return options.start == "fresh"
    if len(os.listdir("/proc/self/task")) == 1:
        return False  # the usual start
    from glowpy.driver.fleets.fork_hazard import fork_hazard

    owner = fork_hazard()
    if owner:
        report.note_once(
            f"threads of {owner}",
            f"{owner} has started threads, which forks of this process would lack: executors start "
            "as new processes and load the pickled flow; -glow.start=forked forks all the same",
        )
    return owner != ""


def _prepare_fresh_start(directory: str, *run: Any) -> None:
    from glowpy.driver.fleets.fresh_start import prepare_fresh_start

    prepare_fresh_start(directory, *run)


def _executor_main(
    captured: CapturedOutput | None,
    graph: Graph,
    agent: str,
    run: str,
    timing: Timing,
    executor: str,
    secret: Secret,
) -> None:
    """Run a forked executor."""
    from glowpy.driver.fleets.executor_life import live

    if captured is not None:
        captured.attach()
    live(lambda _description: graph, agent, run, timing, executor, secret)


def _become_fresh(
    captured: CapturedOutput | None, directory: str, lifeline: int, executor: str, secret: Secret
) -> None:
    """In a child of the fork server: exec a fresh executor."""
    from glowpy.driver.fleets.fresh_start import become_fresh

    if captured is not None:
        captured.attach()
    become_fresh(directory, lifeline, executor, secret)
