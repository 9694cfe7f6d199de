"""Results of a script's runs, for tasks of later runs, which re-run the script.

A result is pickled at once: the task repeats any later change made by the script. A failed run
raises in the task, too. A result that cannot be sent does not end later runs: the task gets a
`Missing` in its place, which raises when used.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, TypeAlias

from glowpy.errors import short_repr
from glowpy.flow.location import user_location
from glowpy.program.manifest import MAX_RECORDED_BYTES
from glowpy.resources import MEGABYTE
from glowpy.shards.pickles import dumps
from glowpy.task.failure import packed
from glowpy.task.recorded import FailedRun, Missing

Recorded: TypeAlias = dict[int, bytes]
"""By number of the run: its pickled result."""

_RESERVED_BYTES = 64 << 10  # for each `Missing`
_REMEDY = "let tasks end above the line that uses it, by glowpy.ready()"


def record(recorded: Recorded, number: int, value: Any) -> None:
    """Record the result of a run, within the size limit of all results together."""
    left_bytes = MAX_RECORDED_BYTES - _RESERVED_BYTES - sum(map(len, recorded.values()))
    try:
        recorded[number] = _pickled(value, left_bytes)
    except _TooMuch:
        reason = (
            "results of earlier runs in this script take more than "
            f"{MAX_RECORDED_BYTES // MEGABYTE} MB; keep large results in files, or "
        )
        recorded[number] = dumps(Missing(f"{_run(number)}: {reason}{_REMEDY}"))
    except Exception as exc:  # noqa: BLE001  # the rows' own code may raise any exception
        culprit = _culprit(value)
        reason = f"{culprit} cannot be pickled ({type(exc).__name__}: {exc}); "
        recorded[number] = dumps(Missing(f"{_run(number)}: {reason}{_REMEDY}"))


def record_failure(recorded: Recorded, number: int, error: Exception) -> None:
    """Record the exception of a run: the script may continue without the result."""
    record(recorded, number, FailedRun(packed(error), f"{type(error).__name__}: {error}"))


def _run(number: int) -> str:
    return f"the result of run {number} ({user_location()}) was not sent to this task"


def _culprit(value: Any) -> str:
    """Return the first part of a result that cannot be pickled, with its class."""
    for each in value if type(value) is list else ():
        try:
            dumps(each)
        except Exception:  # noqa: BLE001  # as in `record`
            kind = type(each)
            return f"its row {short_repr(each)} of class {kind.__module__}.{kind.__qualname__}"
    return f"its {type(value).__qualname__}"


def _pickled(value: Any, most_bytes: int) -> bytes:
    """Raises: _TooMuch, or any exception of the rows' own code."""
    file = _Bounded(most_bytes)
    try:
        pickle.dump(value, file, protocol=5)
        return file.getvalue()
    except _TooMuch:
        raise
    # the rows' own code may raise any exception; cloudpickle may still succeed
    except Exception:  # noqa: BLE001
        data = dumps(value)
        if len(data) > most_bytes:
            raise _TooMuch from None
        return data


class _TooMuch(Exception):
    """The pickled result exceeds the size limit."""


class _Bounded(io.BytesIO):
    """An in-memory file of a bounded size."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._left_bytes = most_bytes

    def write(self, data: Any) -> int:
        self._left_bytes -= memoryview(data).nbytes
        if self._left_bytes < 0:
            raise _TooMuch
        return super().write(data)
