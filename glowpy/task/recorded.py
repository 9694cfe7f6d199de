"""Results of a script's earlier runs, in a task of a later one."""

from __future__ import annotations

import os
import pickle
from typing import Any

from glowpy.environment import PROGRAM_VARIABLE
from glowpy.errors import ProgramError
from glowpy.record import NamedTuple
from glowpy.task.failure import unpickled


class FailedRun(NamedTuple):
    """Stands for the result of a run that raised; the script may have caught the exception."""

    packed: bytes  # the exception; empty: cannot be pickled
    text: str  # of the exception


class Missing:
    """Stands for a result that could not be sent; raises when used.

    A `Missing` can be printed and passed on: scripts often print a result without using it in later
    runs.
    """

    def __init__(self, reason: str) -> None:
        self.__dict__["reason"] = reason

    def __repr__(self) -> str:
        return "<a result that was not sent to this task>"

    def __reduce__(self) -> Any:
        return Missing, (self.__dict__["reason"],)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python looks these up by itself, to copy or print the object
            raise AttributeError(name)
        raise ProgramError(self.__dict__["reason"])

    def _raise(self, *_arguments: Any) -> Any:
        raise ProgramError(self.__dict__["reason"])

    __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = __reversed__ = _raise
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _raise
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _raise
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = _raise
    __int__ = __float__ = __index__ = __abs__ = __neg__ = __call__ = _raise
    __setattr__ = __setitem__ = __delitem__ = __iadd__ = _raise


def recorded_result(number: int, *, gives_value: bool) -> Any:
    """Return the result of an earlier run of this script; None for a run without a value.

    A result that could not be pickled is a `Missing`.

    Raises:
        ProgramError: the program came without a result of the run, or the result cannot be
            unpickled here.
        Exception: the exception raised by the run in the driver.
    """
    path = os.path.join(os.environ.get(PROGRAM_VARIABLE, ""), "recorded", str(number))
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as exc:
        if not gives_value:
            return None
        raise ProgramError(
            f"the script has reached run {number} in a task, but the driver has sent no result of "
            f"this run ({exc.strerror}): a script must reach the same runs at each start"
        ) from exc
    try:
        found = pickle.loads(data)
    except Exception as exc:
        # Unpickling runs the code of the rows' classes.
        raise ProgramError(
            f"the result of run {number} cannot be unpickled in a task "
            f"({type(exc).__name__}: {exc}): define the classes of its rows above that run"
        ) from exc
    if isinstance(found, FailedRun):
        raise unpickled(found.packed) or ProgramError(found.text)
    return found
