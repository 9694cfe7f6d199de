"""The life of an executor of a standalone run, forked or fresh."""

from __future__ import annotations

from glowpy.secret import Secret
from glowpy.task.executor import Executor, FindGraph
from glowpy.task.no_input import refuse_input
from glowpy.timing import Timing
from glowpy.wire.security import Policy
from glowpy.wire.transport import FEW_SOCKETS


def live(
    find_graph: FindGraph, agent: str, run: str, timing: Timing, executor: str, secret: Secret
) -> None:
    """Serve one run until retired.

    Args:
        agent: the address of the driver, which embeds an agent's core.
        executor: its name.
        secret: identifies the executor to the driver.
    """
    refuse_input()
    Executor(
        agent, executor, secret, run, find_graph, Policy(), timing, most_sockets=FEW_SOCKETS
    ).serve()
