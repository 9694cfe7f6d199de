"""One agent of a cluster as one run sees it: how far the run has come there."""

from __future__ import annotations

import os
from collections import deque
from enum import Enum

from glowpy.driver.fleets.sent_environment import SentEnvironment
from glowpy.flags import Options
from glowpy.planner.run_description import RunDescription
from glowpy.program.program import Program
from glowpy.secret import Secret
from glowpy.wire.greeting import hello_of
from glowpy.wire.messages import Lease
from glowpy.wire.run_messages import OpenRun
from glowpy.wire.transport import Link


class State(Enum):
    """How far the run has come at an agent."""

    GREETED = "greeted"  # it knows nothing of the run yet
    OPENING = "opening"  # it is getting the program
    OPEN = "open"  # executors can be launched
    LOST = "lost"  # it is not talked to any more
    CLOSED = "closed"  # it has nothing of the run


class RemoteAgent:
    """An agent that a driver talks to."""

    state = State.GREETED
    is_connected = False
    is_another_try = False  # it was lost before
    lost = ""  # why it is
    lost_at = 0.0

    def __init__(self, address: str, link: Link, now: float) -> None:
        self.address = address
        self.link = link
        self.heard_at = now
        self.leases: deque[Lease] = deque()  # to be launched once it is open

    def greet(self, run: str) -> None:
        self.link.send(hello_of("driver", run))

    def open_run(self, opening: OpenRun, description: bytes) -> None:
        """Have it bring the program there, and get ready for executors."""
        self.state = State.OPENING
        self.link.send(opening, description)


def opening_of(
    description: RunDescription,
    secret: Secret,
    program: Program,
    server: str,
    environment: SentEnvironment,
    options: Options,
) -> OpenRun:
    """How every agent is told of a run; `server` is where it gets the program."""
    return OpenRun(
        description.run,
        description.run_number,
        description.flow,
        program.to_json(),
        server,
        _working_directory(),
        environment.variables,
        environment.hash_seed,
        options.module,
        secret,
        options.rerun_effects != "allow",
        environment.unsent,
        environment.python_options,
    )


def _working_directory() -> str:
    """Where this script runs; empty if that has been removed meanwhile."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
