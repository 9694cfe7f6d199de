"""Every error of glowpy, as one tree.

GlowError
├── DefinitionError      the flow is written wrongly; points at the user's file and line
│   └── NotComputed      a dataset is used as a container of rows; also a TypeError
├── FlagError            the command line is wrong
├── PlanTooLarge         a picture would have too many nodes
├── ConfigError          an address, port, directory or key that cannot be used
├── InputError           an input file is missing, changed, or cannot be decoded
├── OutputError          a result cannot be written to its destination
├── CommandFailed        a command of pipe() cannot be started, or has failed
├── RowError             a row cannot be hashed, ordered or encoded
├── ProgramError         the program cannot be shipped to, or started at, an agent
│   └── PlanMismatch     driver and task built different flows, or values, from one script
├── ClusterError         the cluster does not answer, or has no resources
│   ├── NoMaster         the leader's address does not answer
│   ├── NoAgents         the master knows no agent that could run a task
│   └── VersionMismatch  two ends run different releases of glowpy or Python
├── ProtocolError        a peer sent a message that no glowpy peer sends
├── ShardError           the rows of a shard cannot be read
│   ├── ShardLost        the shard's owner or attempt is gone: it may be computed again
│   └── ShardCorrupt     the shard's bytes differ from the written bytes
├── TaskFailed           the user's code raised; carries the remote traceback and the row
├── ChannelError         a channel is used wrongly
│   ├── ChannelClosed    no more rows can be sent, or received
│   └── ChannelTimeout   the channel stayed full, or empty, for the whole timeout
├── RowsDelivered        rows were lost after the user had received some: no retry is possible
├── ExecutorsDied        each attempt of a task group ended with its executor or agent
├── WaitTimeout          wait(timeout_s) timed out; the run is still in progress
└── RunCancelled         the run was cancelled before it was complete
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

_SHOWN_CHARACTERS = 500


class GlowError(Exception):
    """Base of every error that glowpy raises on purpose.

    The first one has Python show uncaught errors without frames of glowpy, unless the program has
    a hook of its own for them.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        hide_own_frames()

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows for it."""
        from glowpy.tracebacks import ipython_lines

        return ipython_lines(self)


class DefinitionError(GlowError):
    """The flow is written wrongly. The message names the user's file and line."""


class NotComputed(DefinitionError, TypeError):
    """A dataset is used as a container of rows. The message names the call that computes them."""


class FlagError(GlowError):
    """The command line is wrong."""


class PlanTooLarge(GlowError):
    """A picture of a plan would have more nodes than can be laid out."""


class ConfigError(GlowError):
    """An address, port, directory or key that cannot be used."""


class InputError(GlowError):
    """An input file is missing, changed since the run began, or cannot be decoded."""


class OutputError(GlowError):
    """A result cannot be written to its destination."""


class CommandFailed(GlowError):
    """A command of `pipe()` cannot be started, or has failed. The message ends with its stderr."""


class RowError(GlowError):
    """A row cannot be hashed, ordered or encoded. The message shows the row or its key."""


class ProgramError(GlowError):
    """The program cannot be shipped to an agent or started there."""


class PlanMismatch(ProgramError):
    """Driver and task built different flows, or other values for their functions, from one script.

    The message shows the difference.
    """


class ClusterError(GlowError):
    """The cluster does not answer, or has no resources."""


class NoMaster(ClusterError):
    """The leader's address did not answer in time."""


class NoAgents(ClusterError):
    """The master knows no agent that could run a task."""


class VersionMismatch(ClusterError):
    """The two ends run releases of glowpy or Python that cannot work together."""


class ProtocolError(GlowError):
    """A peer sent a message that no glowpy peer sends."""


class ShardError(GlowError):
    """The rows of a shard cannot be read."""


class ShardLost(ShardError):
    """The shard's owner, or the attempt that wrote the shard, is gone. It may be computed again."""


class ShardOfOtherUser(ShardLost):
    """This user may not read the shard's file on this host; the shard's owner can send it."""


class ShardCorrupt(ShardError):
    """The bytes of a shard differ from the written bytes."""


class TaskFailed(GlowError):
    """The user's code raised in a task.

    The message holds step, host, row and the remote traceback; the `__cause__` is the user's
    exception, if it can be pickled.
    """


class ChannelError(GlowError):
    """A channel is used wrongly."""


class ChannelClosed(ChannelError):
    """No more rows can be sent to a channel, or received from it."""


class ChannelTimeout(ChannelError):
    """A channel stayed full, or empty, for the whole timeout."""


class RowsDelivered(GlowError):
    """Rows were lost after a channel had delivered some of them, which cannot be repeated."""


class ExecutorsDied(GlowError):
    """Each attempt of a task group ended with the death of its executor, or with its agent's loss.

    The message names the causes, the hosts, and the last row, if it is known.
    """


class WaitTimeout(GlowError):
    """`wait(timeout_s)` timed out; the run is still in progress."""


RunRunning = WaitTimeout  # the name of earlier releases, to be removed in 0.3


class RunCancelled(GlowError):
    """The run was cancelled before it was complete."""


def hide_own_frames() -> None:
    """Have `glowpy.tracebacks`, which is loaded then, show uncaught errors from now on."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _show_exception
    threading: Any = sys.modules.get("threading")
    if threading is not None and threading.excepthook is threading.__excepthook__:
        threading.excepthook = _show_exception_of_thread


def _show_exception(*exception: Any) -> None:
    from glowpy.tracebacks import show_exception

    show_exception(*exception)


def _show_exception_of_thread(arguments: Any) -> None:
    from glowpy.tracebacks import show_exception_of_thread

    show_exception_of_thread(arguments)


def interrupted(what: str) -> KeyboardInterrupt:
    """Return what ends a run, or a wait for it, by Ctrl-C: shown without a traceback.

    No subclass: Python ends a process by the signal only for a KeyboardInterrupt itself.
    """
    hide_own_frames()
    error: Any = KeyboardInterrupt(what)
    error.is_told = True  # for `tracebacks`
    error._render_traceback_ = lambda: [f"KeyboardInterrupt: {what}"]  # for IPython
    made: KeyboardInterrupt = error
    return made


def reason_of(error: Exception) -> str:
    """Return the system's text for an error, without its number or path.

    >>> reason_of(FileNotFoundError(2, "No such file or directory", "x"))
    'No such file or directory'
    """
    return getattr(error, "strerror", None) or str(error)


def unexpected(kind: NoReturn) -> NoReturn:
    """Raise for an enum member without a branch. A type checker reports the missing branch."""
    raise AssertionError(f"unknown kind: {kind!r}")


def unhashable(what: str, value: object, reason: object) -> RowError:
    """Return the error for a row or key without a hash."""
    return RowError(
        f"{what} {short_repr(value)} cannot be hashed: {reason}; use a tuple instead of a list, a "
        "frozenset instead of a set, and @dataclass(frozen=True) or a __hash__ for a class"
    )


def short_repr(value: object) -> str:
    """Return the repr of a user's row or key for a message, truncated; never raises."""
    try:
        text = repr(value)
    except Exception as exc:  # noqa: BLE001
        return f"<a {type(value).__qualname__} whose repr raised {type(exc).__name__}>"
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
    return text
