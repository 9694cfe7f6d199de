"""What the agent's core wants done; its embedder does it."""

from __future__ import annotations

from typing import Any, TypeAlias

from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.shards.pull import Send
from glowpy.wire.run_messages import OpenRun


class ToDriver(NamedTuple):
    """Send to the driver of a run."""

    peer: bytes
    message: Any
    payload: bytes = b""


class ToExecutor(NamedTuple):
    """Send to an executor."""

    peer: bytes
    message: Any
    payload: bytes = b""


class OpenDirectory(NamedTuple):
    """Make the directory of a run, and have its program brought here."""

    run: str
    directory: str
    message: OpenRun


class StartProcess(NamedTuple):
    """Start the process of an executor."""

    run: str
    executor: str
    secret: Secret  # one-time, for the process alone: by it, the executor is known


class KillProcess(NamedTuple):
    """SIGKILL an executor and what it has started; its exit is awaited."""

    executor: str


class LogImpostor(NamedTuple):
    """Log that a peer has greeted as an executor that it is not."""

    peer: bytes
    run: str
    executor: str


class DeleteRun(NamedTuple):
    """Remove everything of a run but the program cache; none of its processes is left."""

    run: str
    directory: str


class LeasesChanged(NamedTuple):
    """Tell the master at once."""


Action: TypeAlias = (
    ToDriver
    | ToExecutor
    | OpenDirectory
    | StartProcess
    | KillProcess
    | LogImpostor
    | DeleteRun
    | LeasesChanged
    | Send
)
