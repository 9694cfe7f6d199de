"""The actions of an agent's core; its embedder performs them."""

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
    """Make the directory of a run, and fetch its program."""

    run: str
    directory: str
    message: OpenRun


class StartProcess(NamedTuple):
    """Start the process of an executor."""

    run: str
    executor: str
    secret: Secret  # one-time, for the process alone: identifies the executor


class KillProcess(NamedTuple):
    """SIGKILL an executor and its children; the exit is reported later."""

    executor: str


class LogImpostor(NamedTuple):
    """Log a peer whose greeting names an executor without that executor's secret."""

    peer: bytes
    run: str
    executor: str


class DeleteRun(NamedTuple):
    """Remove everything of a run but the program cache; all its processes have ended."""

    run: str
    directory: str


class LeasesChanged(NamedTuple):
    """Report to the master at once."""


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
