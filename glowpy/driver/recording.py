"""What became of a script's runs, for tasks of later ones, which run the script again.

A result is pickled at once: what the script makes of it afterwards, it makes of it in the task as
well. A run that has raised raises there, too.
"""

from __future__ import annotations

import pickle
from typing import Any, TypeAlias

from glowpy.errors import ProgramError
from glowpy.program.manifest import MAX_RECORDED_BYTES, too_much_recorded
from glowpy.task.failure import packed
from glowpy.task.recorded import FailedRun

# By number of the run: its result, or what to raise if a later run comes to need that.
Recorded: TypeAlias = dict[int, "bytes | ProgramError"]


def record(recorded: Recorded, number: int, value: Any) -> None:
    """Keep the result of a run; all of them together take no more than may travel."""
    held = sum(len(each) for each in recorded.values() if isinstance(each, bytes))
    file = _Bounded(MAX_RECORDED_BYTES - held)
    try:
        pickle.dump(value, file, protocol=5)
    except _TooMuch:
        recorded[number] = too_much_recorded(f"more than {MAX_RECORDED_BYTES >> 20} MB")
    except Exception as exc:  # noqa: BLE001  # whatever the rows' own code raises
        recorded[number] = ProgramError(
            f"the result of run {number} cannot be pickled, but tasks of later runs need it to "
            f"re-run the script ({exc}); or end the part that tasks share with glowpy.ready()"
        )
    else:
        recorded[number] = b"".join(file.parts)


def record_failure(recorded: Recorded, number: int, error: Exception) -> None:
    """Keep what a run has raised: the script may go on without its result."""
    cause = error.__cause__
    record(recorded, number, FailedRun(error, b"" if cause is None else packed(cause)))


class _TooMuch(Exception):
    """More is written than there is room for."""


class _Bounded:
    """A file in memory that takes so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._left_bytes = most_bytes
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        part = bytes(data)
        self._left_bytes -= len(part)
        if self._left_bytes < 0:
            raise _TooMuch
        self.parts.append(part)
