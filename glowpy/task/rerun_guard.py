"""The audit hook that watches a script while a task runs it again, down to the run.

An effect that destroys files is refused: the task ends at once, and the run with it. An effect that
every executor would repeat is noted. The rules are in `glowpy.task.effects`.

    path of the effect is
    in the run's folder     allowed: the agent removes the folder after the run
    made by tempfile        allowed: files and folders made by the module in this process
    no regular file         allowed: devices, pipes, /proc
    any other               watched, also in the system's temporary folder: results may lie there
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from glowpy.installed import GLOWPY, LIBRARY
from glowpy.task.effects import READINGS, Effect, Target, cause_of
from glowpy.task.notes import add_note

_SYSTEM = ("/proc/", "/sys/")
_REMEDY = "under `if not glowpy.is_task():` or below glowpy.ready()"
_ALLOW = "-glow.rerun.effects=allow"
_MADE_BY_TEMPFILE = ("tempfile.mkstemp", "tempfile.mkdtemp")

_watched: set[str] = set()


class RerunGuard:
    """Judges the side effects of one script.

    Args:
        code: the folder of the program's files.
        run_directory: the run's folder at this agent.
        refuse: ends this process with an error of the run.
    """

    def __init__(self, code: str, run_directory: str, refuse: Callable[[str], NoReturn]) -> None:
        self._own = tuple({os.path.join(folder, "") for folder in (code, os.path.realpath(code))})
        self._ours = (GLOWPY, LIBRARY + "tempfile.py")
        self._free = {os.path.realpath(run_directory)}  # and the paths made by tempfile
        self._refuse = refuse
        self._refusing = threading.Lock()

    def judge(self, event: str, arguments: tuple[Any, ...], frame: FrameType | None) -> None:
        """Refuse or note the effect of an audit event, if the program itself caused it.

        Raises:
            PermissionError: another thread is ending this process for such an effect.
        """
        if event in _MADE_BY_TEMPFILE:
            self._free.add(_resolved(Target(arguments[0])))
            return
        effect = READINGS[event](arguments)
        if effect is None:
            return
        cause = cause_of(frame, self._own, self._ours)
        if cause is None or self._is_free(effect) or _has_happened(event, effect):
            return
        place = f"{os.path.basename(cause.f_code.co_filename)}:{cause.f_lineno}"
        if not effect.destroys:
            text = (
                f"{place} {effect.doing}, and each executor that runs the script again repeats "
                f"this; put the line {_REMEDY}, or silence this note with {_ALLOW}"
            )
            add_note(place, text)
            return
        if not self._refusing.acquire(blocking=False):
            raise PermissionError(f"{place}: this task is ending")
        self._refuse(
            f"{place} {effect.doing}, while a task runs the script again{_source(cause)}\n"
            f"In a task this would destroy files of the driver or of other tasks. Put the line "
            f"{_REMEDY}; {_ALLOW} lets tasks do it"
        )

    def _is_free(self, effect: Effect) -> bool:
        return bool(effect.targets) and all(map(self._is_free_target, effect.targets))

    def _is_free_target(self, target: Target) -> bool:
        path = _resolved(target)
        if path.startswith(_SYSTEM) or _is_device(path):
            return True
        while path not in self._free:
            path, below = os.path.dirname(path), path
            if path == below:
                return False
        return True


def watch(guard: RerunGuard) -> None:
    """Install the audit hook. Python cannot remove a hook: `stop_watching` disables it."""
    _watched.update(READINGS, _MADE_BY_TEMPFILE)
    watched, judge, current_frame = _watched, guard.judge, sys._getframe

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in watched:
            judge(event, arguments, current_frame(1))

    sys.addaudithook(hook)


def stop_watching() -> None:
    """Disable the audit hook once the script has reached its run."""
    _watched.clear()


def _has_happened(event: str, effect: Effect) -> bool:
    """True if the call can only raise FileExistsError, as in `os.makedirs(…, exist_ok=True)`."""
    return event == "os.mkdir" and os.path.lexists(_resolved(effect.targets[0]))


def _resolved(target: Target) -> str:
    """Return the absolute path changed by a call on this target, without symbolic links."""
    path = os.fsdecode(target.path)
    if target.folder_fd != -1:
        path = os.path.join(f"/proc/self/fd/{target.folder_fd}", path)
    if target.follows_link:
        return os.path.realpath(path)
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def _is_device(path: str) -> bool:
    """True for terminals, pipes and other files without stored data."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # no file exists yet
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _source(frame: FrameType) -> str:
    """Return the text of the frame's line, for the end of a message."""
    import linecache  # loaded by a refusal only

    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f": `{line}`" if line else ""
