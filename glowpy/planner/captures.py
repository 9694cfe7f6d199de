"""The values captured by the functions of a run's steps, and the differences of driver and task.

When a script is run again, it may compute another value for a variable of a function: a random
number, a time, an element of a set. The rows would differ without an error. The driver therefore
sends a digest and a short text of each captured value, and each task compares its own values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from glowpy.flow.graph import Step
from glowpy.record import NamedTuple

NOT_DEFINED = "not defined"
NOT_SHOWN = "not shown"
ARGUMENT = "argument"  # in place of a variable's name: an argument of a step
_MOST_SHOWN = 5  # differences in a message

REMEDY = (
    "Each executor runs the script again, up to this run, and must compute the same values. Random "
    "numbers, times, process ids and environment variables differ between processes, and so does "
    "the order of a set. Seed or sort them (sorted(set(…))), pass them as arguments of the script "
    "or by -glow.env=NAME, or let the driver decide: flow.slice([value]).collect() returns the "
    "driver's value everywhere."
)


class Captured(NamedTuple):
    """One value captured by a function."""

    name: str  # of the variable; empty: the code of the function
    owner: str  # the function and its line
    digest: str
    text: str  # a short text of the value


class Captures(NamedTuple):
    """The values captured by the steps of a run, as the driver has them.

    `roots` are the driver's directories of the program's modules, by number. Agents lay them out in
    a directory named after `code`.
    """

    code: str
    roots: tuple[str, ...]
    directory: str  # the driver's working directory
    temporary: str  # the driver's directory of temporary files
    optimization: int  # of the driver's Python (-O)
    values: tuple[Captured, ...]
    steps: dict[int, tuple[int, ...]]  # indices of values, by number of the step
    # the script calls is_task(), so a variable may be defined in one process only
    has_branches: bool

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Captures:
        """Return the captures from a decoded JSON object."""
        values = tuple(Captured(*value) for value in fields["values"])
        steps = {int(step): tuple(numbers) for step, numbers in fields["steps"].items()}
        return cls(**{**fields, "roots": tuple(fields["roots"]), "values": values, "steps": steps})

    def of_step(self, step: int) -> list[Captured]:
        return [self.values[number] for number in self.steps.get(step, ())]


def difference_of_values(driver: Captures, task: Captures, steps: Sequence[Step]) -> str:
    """Describe the values that differ, with their functions and steps; empty if all are equal."""
    has_code = driver.optimization == task.optimization  # otherwise all code differs
    has_branches = driver.has_branches or task.has_branches
    found: dict[tuple[str, str], str] = {}
    for step in steps:
        for name, owner, pair in _differing(
            driver.of_step(step.id), task.of_step(step.id), has_branches
        ):
            if name or has_code:
                found.setdefault((name, owner), _line(name, owner, pair, step))
    if not found:
        return ""
    lines = [*found.values()][:_MOST_SHOWN]
    if len(found) > _MOST_SHOWN:
        lines.append(f"  and {len(found) - _MOST_SHOWN} more")
    remedy = REMEDY
    name = next((name for name, _owner in found if name not in ("", ARGUMENT)), "")
    if name:
        variable = name.rpartition(".")[2]
        remedy += f' glowpy.may_differ("{variable}") accepts a variable that no row depends on.'
    return "\n".join([*lines, "", remedy])


def _differing(
    driver: Sequence[Captured], task: Sequence[Captured], has_branches: bool
) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Yield name, owner and both texts of each value that differs."""
    sides = [_by_variable(driver), _by_variable(task)]
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        values = [side.get(key, []) for side in sides]
        digests = [sorted(value.digest for value in side) for side in values]
        if digests[0] == digests[1]:
            continue
        texts = []
        for side, others in zip(values, reversed(digests), strict=True):
            differing = [each.text for each in side if each.digest not in others]
            texts.append(differing[0] if differing else NOT_DEFINED)
        if not (has_branches and NOT_DEFINED in texts):
            yield *key, (texts[0], texts[1])


def _by_variable(values: Sequence[Captured]) -> dict[tuple[str, str], list[Captured]]:
    found: dict[tuple[str, str], list[Captured]] = {}
    for value in values:
        found.setdefault((value.name, value.owner), []).append(value)
    return found


def _line(name: str, owner: str, texts: tuple[str, str], step: Step) -> str:
    where = f"{owner}, in {step.describe()}"
    if not name:
        return f"  the code of {where}"
    driver, task = texts
    if NOT_SHOWN in texts:
        return f"  {name} of {where}: values of this name are not shown, but they differ"
    if driver == task:
        return f"  {name} of {where}: {driver} in both, but the rest of it differs"
    return f"  {name} of {where}: {driver} in the driver, {task} in the task"
