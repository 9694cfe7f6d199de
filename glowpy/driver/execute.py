"""Executes a terminal call in the driver: plans the run, calls the runner, returns the value."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glowpy.command_line import Mode
from glowpy.driver.control import Control
from glowpy.driver.job import Job, Runner
from glowpy.driver.listing import list_inputs
from glowpy.driver.results import result_of
from glowpy.driver.seeds import seeds_of
from glowpy.driver.stopping import Stopping
from glowpy.errors import ConfigError
from glowpy.flags import Options
from glowpy.flow.entry import Call
from glowpy.planner.fingerprint import describe
from glowpy.planner.fusion import make_plan
from glowpy.planner.run_description import RunDescription, Sink
from glowpy.resources import host_name
from glowpy.stdio import notify_user
from glowpy.timing import Timing

if TYPE_CHECKING:
    from glowpy.driver.recording import Recorded

_MUCH_BYTES = 1 << 30  # a larger result may not fit into the driver's memory: a note says so


def runner_for(mode: Mode) -> Runner:
    """Return the runner of a mode. The other runners are not imported, which saves start time."""
    if mode is Mode.INLINE:
        from glowpy.driver.inline import run_inline

        return run_inline
    if mode is Mode.DRIVER:
        from glowpy.driver.cluster import run_on_cluster

        return run_on_cluster
    from glowpy.driver.standalone import run_standalone

    return run_standalone


def execute_call(
    call: Call,
    run: Runner,
    options: Options,
    number: int,
    words: Sequence[str],
    recorded: Recorded,
    control: Control | None = None,
) -> Any:
    """Execute a terminal call and return its value.

    Args:
        number: position of this run among the runs of the script, from 1.
        words: arguments of the script, without the flags of glowpy.
        recorded: results of the script's earlier runs, by number, for tasks that re-run the script.
        control: lets other threads cancel the run.

    Raises:
        GlowError: the run failed. Its processes have ended, and its temporary files are removed.
    """
    timing = Timing.from_environment()
    with Stopping(timing.shutdown_s + timing.linger_s), result_of(call) as result:
        outputs = call.outputs
        plan = make_plan(
            call.graph,
            call.datasets,
            stored=result.sink is not Sink.DRAIN,
            limit=call.limit,
            outputs=[output.dataset for output in outputs],
        )
        description = RunDescription(
            run=os.urandom(6).hex(),
            run_number=number,
            flow=call.graph.flow_id,
            targets=tuple(dataset.id for dataset in call.datasets),
            sink=result.sink,
            memory_mb=options.task_memory_mb,
            listings=list_inputs(plan),
            plan_text=describe(plan),
            host=host_name(),
            limit=call.limit,
            outputs=tuple(dataset.id for dataset in plan.outputs),
            seeds=seeds_of(options.seed),
            hash_seed=options.hash_seed,
            is_debug=options.debug,
        )
        job = Job(
            graph=call.graph,
            plan=plan,
            description=description,
            result=result,
            options=options,
            timing=timing,
            words=words,
            recorded=recorded,
            outputs=[output for output in outputs if output.dataset in plan.outputs],
            control=control or Control(),
        )
        try:
            value = run(job)
        # out of descriptors, processes or memory; the runner has translated every other OSError
        except OSError as exc:
            raise ConfigError(f"the run on {description.host} cannot continue: {exc}") from exc
        if result.received_bytes > _MUCH_BYTES and call.terminal.gives_value and not options.quiet:
            from glowpy.amounts import format_bytes  # not needed by a quick start

            notify_user(
                f"glowpy: {call.terminal.value}() has transferred "
                f"{format_bytes(result.received_bytes)} to the driver; to keep the rows out of "
                "memory, use save_text_to_file() or save_bytes_to_file(); count() and take() "
                "transfer less"
            )
        return value
