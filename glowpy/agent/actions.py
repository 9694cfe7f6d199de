"""What the agent's core wants done; its embedder does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from glowpy.shards.pull import Send
from glowpy.wire.run_messages import OpenRun


@dataclass(frozen=True, slots=True)
class ToDriver:
    """Send to the driver of a run."""

    peer: bytes
    message: Any
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class ToExecutor:
    """Send to an executor."""

    peer: bytes
    message: Any
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class OpenDirectory:
    """Make the directory of a run, and have its program brought here."""

    run: str
    message: OpenRun


@dataclass(frozen=True, slots=True)
class StartProcess:
    """Start the process of an executor."""

    run: str
    executor: str
    first_group: int


@dataclass(frozen=True, slots=True)
class KillProcess:
    """SIGKILL an executor and what it has started; its exit is awaited."""

    executor: str


@dataclass(frozen=True, slots=True)
class DeleteRun:
    """Remove everything of a run but the program cache; none of its processes is left."""

    run: str


@dataclass(frozen=True, slots=True)
class LeasesChanged:
    """Tell the master at once."""


Action: TypeAlias = (
    ToDriver
    | ToExecutor
    | OpenDirectory
    | StartProcess
    | KillProcess
    | DeleteRun
    | LeasesChanged
    | Send
)
