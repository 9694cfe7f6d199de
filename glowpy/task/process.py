"""The process of an executor started by an agent: serves, then exits at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from glowpy.command_line import parse
from glowpy.environment import RUN_VARIABLE
from glowpy.errors import GlowError, PlanMismatch, ProgramError
from glowpy.flags import Options
from glowpy.flow.entry import graph_of
from glowpy.flow.graph import Graph
from glowpy.planner.fingerprint import Capture
from glowpy.planner.run_description import RunDescription
from glowpy.stdio import flush, notify_user
from glowpy.task.captures import captured_again
from glowpy.task.executor import Executor, FindGraph
from glowpy.task.lifeline import watch_lifeline
from glowpy.task.own_secret import take_secrets
from glowpy.task.rerun_guard import stop_watching
from glowpy.timing import Timing
from glowpy.wire.security import Policy, policy_of_task
from glowpy.wire.transport.curve import run_key

_is_serving = False


def is_serving() -> bool:
    """True once this process, started by an agent, serves as an executor."""
    return _is_serving


def serve_script(options: Options) -> NoReturn:
    """Serve as an executor of this process's script; called at the script's terminal call."""

    def find_graph(description: RunDescription) -> Graph:
        graph = graph_of(description.flow)
        if graph is None:
            raise PlanMismatch(
                f"the driver runs flow {description.flow} of the script, but the task has not "
                "made that flow when run() or glowpy.ready() is reached: define it above"
            )
        return graph

    stop_watching()
    serve_and_exit(options.agent_address, options.executor_id, find_graph, captured_again)


def refuse_and_exit(words: Sequence[str], reason: str) -> NoReturn:
    """Connect to the agent to end the run with an error, then exit.

    Args:
        words: the command line of the task.
    """

    def find_graph(_description: RunDescription) -> Graph:
        raise ProgramError(reason)

    options, _rest, _notes = parse(words)
    serve_and_exit(options.agent_address, options.executor_id, find_graph)


def serve_and_exit(
    agent_address: str, executor: str, find_graph: FindGraph, capture: Capture | None = None
) -> NoReturn:
    """Serve in a process that an agent started, then exit at once."""
    global _is_serving
    _is_serving = True
    flush()  # text printed so far does not belong to the flow
    watch_lifeline()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = 0
    try:
        run = os.environ.get(RUN_VARIABLE, "")
        timing = Timing.from_environment()
        secrets = take_secrets()
        policy = Policy(insecure=True)
        if secrets.server_public:
            policy = policy_of_task(run_key(secrets.run), secrets.server_public)
        Executor(
            agent_address,
            executor,
            secrets.executor,
            run,
            find_graph,
            policy,
            timing,
            capture=capture,
        ).serve()
    except GlowError as exc:
        notify_user(f"glowpy: {exc}")
        status = 1
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())  # written to this process's log, which the driver shows
        status = 1
    finally:
        # Not sys.exit: the rest of the user's script, and its exit handlers, belong to the driver.
        flush()
        os._exit(status)
