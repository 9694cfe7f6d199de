"""Results of a script's earlier runs, as a task of a later one gets them."""

from __future__ import annotations

import os
import pickle
from typing import Any

from glowpy.environment import PROGRAM_VARIABLE
from glowpy.errors import ProgramError


def recorded_result(number: int) -> Any:
    """What the driver recorded of an earlier run of this script.

    Raises:
        ProgramError: it was not shipped with the program.
    """
    path = os.path.join(os.environ.get(PROGRAM_VARIABLE, ""), "recorded", str(number))
    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except OSError as exc:
        raise ProgramError(
            f"the script has reached run {number} in a task, and the driver has sent no result of "
            f"it ({exc.strerror}): it must come to the same runs each time it is started"
        ) from exc
