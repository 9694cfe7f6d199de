"""Seeds the global random generators at the start of each task group.

The seeds of the run are mixed with the number of the run, the step group and the task. Each attempt
of a task group therefore draws the same numbers on every runner, and different groups draw
different numbers.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from glowpy.planner.run_description import RANDOM_MODULES, RunDescription

_WORD = 1 << 32  # the seed of numpy is a list of 32-bit numbers

States = dict[str, Any]  # of generators, by module


class Draws:
    """The random numbers of one task group.

    An attempt that runs alone in its process calls `seed` only. Attempts that take turns have
    generators each: `resume` begins a turn, `pause` ends it.
    """

    def __init__(self, description: RunDescription, step_group: int, task: int) -> None:
        self._seeds = description.seeds
        self._place = (description.run_number, step_group, task)
        self._own: States | None = None
        self._outer: States = {}

    def seed(self) -> None:
        """Set the generators to their first state."""
        for name in self._seeds.loaded:
            # the driver's interpreter may have packages that are missing here
            with suppress(ImportError):
                importlib.import_module(name)
        if (random := sys.modules.get("random")) is not None:
            number = self._seeds.of_random
            for part in self._place:
                number = number * _WORD + part
            random.seed(number)
        if (random := sys.modules.get("numpy.random")) is not None:
            high, low = divmod(self._seeds.of_numpy, _WORD)
            random.seed([high, low, *self._place])

    def resume(self) -> None:
        """Begin a turn: restore the generators' state from the end of the last turn."""
        self._outer = _states()
        if self._own is None:
            self.seed()
        else:
            _set_states(self._own)

    def pause(self) -> None:
        """End a turn: save the generators' state, and restore the state from before the turn."""
        self._own = _states()
        _set_states(self._outer)


@contextmanager
def kept_generators() -> Iterator[None]:
    """Restore the generators on leaving the context."""
    before = _states()
    try:
        yield
    finally:
        _set_states(before)


def _states() -> States:
    modules = ((name, sys.modules.get(name)) for name in RANDOM_MODULES)
    return {name: _state(module) for name, module in modules if module is not None}


def _state(module: Any) -> Any:
    if module.__name__ == "random":
        return module.getstate()
    return module.get_state(legacy=False)


def _set_states(states: States) -> None:
    for name, state in states.items():
        module: Any = sys.modules[name]
        (module.setstate if name == "random" else module.set_state)(state)
