"""Side effects reported by audit events, and the script line that caused one.

A task runs its script again, down to the run, so each executor repeats the side effects of the
lines before. `effect_of` recognises the audit events of side effects, `cause_of` finds the
responsible frame of the program. Both are pure; `glowpy.task.rerun_guard` installs the hook that
calls them. (https://docs.python.org/3/library/audit_events.html)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

from glowpy.record import NamedTuple

Path: TypeAlias = "str | bytes | os.PathLike[Any]"
Arguments: TypeAlias = "tuple[Any, ...]"

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_TRUNC
_NO_FOLDER = -1  # the dir_fd of a call without one


class Target(NamedTuple):
    """A path that an effect changes, relative to the folder of `folder_fd` if that is not -1."""

    path: Path
    folder_fd: int = _NO_FOLDER
    follows_link: bool = False  # the change reaches the file behind a symbolic link


class Effect(NamedTuple):
    """A side effect. `doing` is a verb phrase: "removes out.txt"."""

    doing: str
    destroys: bool
    targets: tuple[Target, ...] = ()  # empty: the effect is on no file


def effect_of(event: str, arguments: Arguments) -> Effect | None:
    """Return the side effect reported by an audit event, or None.

    >>> effect_of("os.remove", ("out.txt", -1)).doing
    'removes out.txt'
    """
    reading = READINGS.get(event)
    return None if reading is None else reading(arguments)


def cause_of(
    frame: FrameType | None, own: tuple[str, ...], ours: tuple[str, ...]
) -> FrameType | None:
    """Return the innermost frame of the program's own files; None if a library acts by itself.

    Args:
        own: prefixes of the program's files.
        ours: prefixes of files whose effects are allowed: glowpy, and the module tempfile.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(own):
            return frame
        if file.startswith(ours) or file.startswith("<frozen importlib"):
            return None
        frame = frame.f_back
    return None


def _opens(arguments: Arguments) -> Effect | None:
    path, _mode, flags = arguments
    if not flags & _WRITES or not isinstance(path, (str, bytes, os.PathLike)):
        return None  # opened for reading, or an open descriptor
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        return None  # an unnamed file
    target = (Target(path, follows_link=True),)
    shown = _shown(path)
    if flags & os.O_TRUNC:
        return Effect(f"opens {shown} for writing, which empties it", True, target)
    if flags & os.O_APPEND:
        return Effect(f"appends to {shown}", False, target)
    if flags & os.O_EXCL:
        return Effect(f"creates {shown}", False, target)
    return Effect(f"opens {shown} for writing", False, target)


def _removes(arguments: Arguments) -> Effect:
    path, *folder = arguments
    fd = folder[0] if folder and isinstance(folder[0], int) else _NO_FOLDER
    return Effect(f"removes {_shown(path)}", True, (Target(path, fd),))


def _renames(arguments: Arguments) -> Effect:
    before, after, *folders = arguments
    before_fd, after_fd = folders or (_NO_FOLDER, _NO_FOLDER)
    targets = (Target(before, before_fd), Target(after, after_fd))
    return Effect(f"renames {_shown(before)} to {_shown(after)}", True, targets)


def _truncates(arguments: Arguments) -> Effect | None:
    path = arguments[0]
    if isinstance(path, int):  # opened for writing earlier, in an event of its own
        return None
    return Effect(f"truncates {_shown(path)}", True, (Target(path, follows_link=True),))


def _makes_folder(arguments: Arguments) -> Effect:
    path, _mode, fd = arguments
    return Effect(f"creates the folder {_shown(path)}", False, (Target(path, fd),))


def _starts_process(arguments: Arguments) -> Effect:
    return Effect(f"starts the process {_shown(arguments[0])}", False)


def _opens_database(arguments: Arguments) -> Effect | None:
    path = arguments[0]
    name = os.fsdecode(path)
    if name in ("", ":memory:"):
        return None
    target = () if name.startswith("file:") else (Target(path, follows_link=True),)
    return Effect(f"opens the database {name}", False, target)


def _connects(arguments: Arguments) -> Effect:
    return Effect(f"connects to {_address(arguments[1])}", False)


def _binds(arguments: Arguments) -> Effect:
    return Effect(f"binds a socket to {_address(arguments[1])}", False)


READINGS: dict[str, Callable[[Arguments], Effect | None]] = {
    "open": _opens,
    "os.remove": _removes,
    "os.rename": _renames,
    "os.rmdir": _removes,
    "os.truncate": _truncates,
    "os.mkdir": _makes_folder,
    "shutil.rmtree": _removes,
    "shutil.move": _renames,
    "subprocess.Popen": _starts_process,
    "os.system": lambda arguments: Effect(f"runs the command {_shown(arguments[0])}", False),
    "os.exec": _starts_process,
    "os.posix_spawn": _starts_process,
    "os.fork": lambda _arguments: Effect("forks a process", False),
    "os.forkpty": lambda _arguments: Effect("forks a process", False),
    "sqlite3.connect": _opens_database,
    "socket.connect": _connects,
    "socket.bind": _binds,
}


def _shown(path: Any) -> str:
    return os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else repr(path)


def _address(address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return _shown(address)
