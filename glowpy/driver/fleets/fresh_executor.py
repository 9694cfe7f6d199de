"""A fresh executor of a standalone run: a new process of Python, not a fork of the driver.

Loads the flow from a file written by `fresh_start`, and serves the same way as a forked executor.
"""

from __future__ import annotations

import os
import pickle
import sys
from functools import partial

from glowpy.driver.fleets.executor_life import live
from glowpy.driver.scratch import remove
from glowpy.errors import ProgramError
from glowpy.flow.graph import Graph
from glowpy.planner.run_description import RunDescription
from glowpy.program.pickling import unpickled
from glowpy.record import NamedTuple
from glowpy.secret import Secret, read_secret
from glowpy.task.lifeline import end_with
from glowpy.timing import Timing

FLOW_FILE = "flow"  # in the run's directory: the fields of a FreshTask, pickled


class FreshTask(NamedTuple):
    """The run, as described to fresh executors by the driver."""

    agent: str
    run: str
    timing: Timing
    words: list[str]  # sys.argv
    flow: bytes  # pickled


def main(directory: str, lifeline: str, secret_end: str, executor: str) -> None:
    """Serve until retired.

    Args:
        directory: of the run.
        lifeline: the descriptor of a pipe that ends with the fork server.
        secret_end: the descriptor of a pipe that holds the executor's secret.
    """
    secret = Secret(read_secret(int(secret_end)))
    end_with(int(lifeline), partial(remove, directory))
    with open(os.path.join(directory, FLOW_FILE), "rb") as file:
        task = FreshTask(*pickle.load(file))
    sys.argv[:] = task.words

    def find_graph(_description: RunDescription) -> Graph:
        try:
            graph: Graph = unpickled(task.flow)
        except Exception as exc:
            raise ProgramError(
                "an executor that was started fresh cannot unpickle the flow: "
                f"{type(exc).__name__}: {exc}"
            ) from exc
        return graph

    live(find_graph, task.agent, task.run, task.timing, executor, secret)
