"""What became of a script's earlier runs, as a task of a later one learns it."""

from __future__ import annotations

import os
import pickle
from typing import Any

from glowpy.environment import PROGRAM_VARIABLE
from glowpy.errors import ProgramError
from glowpy.record import NamedTuple
from glowpy.task.failure import unpickled


class FailedRun(NamedTuple):
    """Stands for the result of a run that has raised; the script may have gone on all the same."""

    error: Exception
    cause: bytes  # pickled; empty: it had none, or that cannot travel


def recorded_result(number: int, *, gives_value: bool) -> Any:
    """What the driver recorded of an earlier run of this script; None of one without a value.

    Raises:
        ProgramError: it was not shipped with the program.
        Exception: what the run has raised in the driver.
    """
    path = os.path.join(os.environ.get(PROGRAM_VARIABLE, ""), "recorded", str(number))
    try:
        with open(path, "rb") as file:
            found = pickle.load(file)
    except OSError as exc:
        if not gives_value:
            return None
        raise ProgramError(
            f"the script has reached run {number} in a task, and the driver has sent no result of "
            f"it ({exc.strerror}): it must come to the same runs each time it is started"
        ) from exc
    if isinstance(found, FailedRun):
        raise found.error from unpickled(found.cause)
    return found
