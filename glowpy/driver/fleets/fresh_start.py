"""Starts fresh executors of a standalone run: new processes, which load a pickled flow.

The driver writes the flow and the command to the run's directory. A child of the fork server
executes the command, with three arguments appended: the descriptors of its lifeline and of a pipe
with its secret, and its name.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import NoReturn

from glowpy.driver.fleets.sent_environment import hash_seed, obeyed, python_options
from glowpy.flow.graph import Graph
from glowpy.secret import Secret, secret_pipe
from glowpy.timing import Timing

_COMMAND_FILE = "command"  # its words, separated by NUL


def prepare_fresh_start(directory: str, graph: Graph, agent: str, run: str, timing: Timing) -> None:
    """Write the flow and the command for fresh executors.

    Raises:
        ProgramError: the flow cannot be pickled; the message gives the cause.
    """
    from glowpy.driver.fleets.fresh_executor import FLOW_FILE, FreshTask
    from glowpy.driver.fleets.shipping import pickled_flow

    task = FreshTask(agent=agent, run=run, timing=timing, words=sys.argv, flow=pickled_flow(graph))
    with open(os.path.join(directory, FLOW_FILE), "wb") as file:
        pickle.dump(tuple(task), file, protocol=5)
    path = [entry for entry in sys.path if isinstance(entry, str)]
    start = (
        f"import sys; sys.path[:] = {path!r}; "
        "from glowpy.driver.fleets.fresh_executor import main; main(*sys.argv[1:])"
    )
    words = [sys.executable, *python_options(), "-c", start, directory]
    with open(os.path.join(directory, _COMMAND_FILE), "wb") as file:
        file.write(b"\0".join(map(os.fsencode, words)))


def become_fresh(directory: str, lifeline: int, executor: str, secret: Secret) -> NoReturn:
    """In a child of the fork server: exec a new process of Python."""
    with open(os.path.join(directory, _COMMAND_FILE), "rb") as file:
        words = file.read().split(b"\0")
    descriptors = lifeline, secret_pipe(secret)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    words += [*map(os.fsencode, map(str, descriptors)), os.fsencode(executor)]
    # All executors of a run share one hash seed, same as forks.
    environment = {**obeyed(os.environ), "PYTHONHASHSEED": str(hash_seed())}
    os.execve(words[0], words, environment)
