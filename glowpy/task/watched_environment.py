"""`os.environ` of a task, with a note for reads of variables that only the driver has."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from glowpy.environment import UNSENT_SUBJECT, UNSENT_VARIABLE
from glowpy.installed import LIBRARY, is_installed
from glowpy.task.notes import add_note

if TYPE_CHECKING:
    _Environment = os._Environ[str]
else:
    _Environment = type(os.environ)

_ACCESS = (os.__file__, LIBRARY + "_collections_abc.py", "<frozen ", __file__)


class WatchedEnvironment(_Environment):
    """The environment of a process; the driver's other variables are named in `unsent`."""

    unsent: frozenset[str]

    def __getitem__(self, key: str) -> str:
        try:
            return super().__getitem__(key)
        except KeyError:
            if key in self.unsent:
                _note_read(key)
            raise


def watch_environment() -> None:
    """Make `os.environ` note reads of variables that the driver did not send."""
    names = os.environ.pop(UNSENT_VARIABLE, "")
    if names:
        os.environ.__class__ = WatchedEnvironment
        assert isinstance(os.environ, WatchedEnvironment)
        os.environ.unsent = frozenset(names.split(","))


def _note_read(name: str) -> None:
    """Note a read of a variable by the program; libraries read many variables that are not set."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_ACCESS):
        frame = frame.f_back
    file = frame.f_code.co_filename
    if is_installed(file):
        return
    add_note(
        UNSENT_SUBJECT + name,
        f"{file}:{frame.f_lineno} reads the environment variable {name}, which the driver has and "
        f"this task has not; -glow.env={name} sends it to tasks",
    )
