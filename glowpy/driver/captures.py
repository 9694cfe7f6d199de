"""The values captured by a run's functions, as of the beginning of the run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from glowpy.driver.fleets.shipping import Shipment
from glowpy.flow.marks import lines_with_is_task
from glowpy.planner.captures import Captures
from glowpy.planner.capturing import Surroundings, accepted_names, captured_values
from glowpy.planner.plan import Plan
from glowpy.program.own_text import (
    local_modules,
    temporary_directory,
    text_of_driver,
    working_directory,
)
from glowpy.program.program import Script


def captures_of(plan: Plan, shipment: Shipment) -> Captures | None:
    """Return the values that tasks must compute alike; None if tasks do not re-run the script."""
    program, roots = shipment.program, shipment.roots
    if not isinstance(program, Script):
        return None
    files = {str(source) for source in shipment.contents.values() if isinstance(source, Path)}
    files |= {os.path.join(roots[file.root], file.path) for file in program.manifest.files}
    surroundings = Surroundings(
        is_local=local_modules(files.__contains__),
        own=text_of_driver(roots),
        environment=os.environ,
        may_differ=accepted_names(),
    )
    values, steps = captured_values(plan, surroundings)
    return Captures(
        code=program.manifest.code_digest,
        roots=roots,
        directory=working_directory(),
        temporary=temporary_directory(),
        optimization=sys.flags.optimize,
        values=values,
        steps=steps,
        has_branches=bool(lines_with_is_task()),
    )
