"""Captures the values of functions in a task, for the comparison with the driver's values."""

from __future__ import annotations

import os
import sys

from glowpy.flow.marks import lines_with_is_task
from glowpy.planner.captures import Captures
from glowpy.planner.capturing import Surroundings, accepted_names, captured_values
from glowpy.planner.plan import Plan
from glowpy.program.own_text import (
    code_directory,
    files_of_task,
    local_modules,
    text_of_task,
)


def captured_again(driver: Captures, plan: Plan) -> Captures:
    """Return the captures of this task, with paths as in the driver."""
    code = code_directory(driver.code)
    surroundings = Surroundings(
        is_local=local_modules(files_of_task(code, driver.roots)),
        own=text_of_task(code, driver.roots, driver.directory, driver.temporary),
        environment=os.environ,
        may_differ=accepted_names(),
    )
    values, steps = captured_values(plan, surroundings)
    return driver._replace(
        optimization=sys.flags.optimize,
        values=values,
        steps=steps,
        has_branches=bool(lines_with_is_task()),
    )
