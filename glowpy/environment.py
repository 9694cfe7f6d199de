"""Environment variables that a process of ours sets for the processes that it starts.

Those of an agent make a process a task, together with its flags (`command_line.task_arguments`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from glowpy.errors import FlagError

RUN_VARIABLE = "GLOWPY_RUN"  # the run that a task is of
PROGRAM_VARIABLE = "GLOWPY_PROGRAM"  # where a task finds what came with its program, beside code
LIFELINE_VARIABLE = "GLOWPY_LIFELINE"  # descriptor of a pipe that ends when a task's agent does
SECRET_VARIABLE = "GLOWPY_SECRET"  # descriptor of a pipe that holds a task's one-time secret
KEY_FILE_VARIABLE = "GLOWPY_KEY_FILE"  # the cluster's key, for a task
FAULTS_VARIABLE = "GLOWPY_FAULTS"  # directory of faults that a test has armed
FAMILY_VARIABLE = "GLOWPY_PIPE"  # marks the processes that a command of pipe() has started
EXECUTOR_VARIABLE = "GLOWPY_EXECUTOR"  # marks an executor and the processes that it has started
UNSENT_VARIABLE = "GLOWPY_UNSENT"  # names of the driver's variables that a task lacks
SCALE_VARIABLE = "GLOWPY_TIME_SCALE"  # a factor for all durations

UNSENT_SUBJECT = "environment variable "  # a note on one that a task lacks; its name follows

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def named_variables(flag: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of `-glow.env=A,B=value`; those without a value have it in `environment`.

    Raises:
        FlagError: one has no such name, or no value.

    >>> named_variables("A,B=1", {"A": "x"})
    {'A': 'x', 'B': '1'}
    """
    found = {}
    for part in filter(None, flag.split(",")):
        name, equals, value = part.partition("=")
        if not name.isidentifier() or not name.isascii():
            raise FlagError(
                f"-glow.env={flag}: {name!r} is no name of a variable; a value with a comma can be "
                "sent by its name alone, where the variable is set"
            )
        if name.startswith("GLOWPY_"):
            raise FlagError(f"-glow.env={flag}: {name} is glowpy's own")
        if not equals and name not in environment:
            raise FlagError(f"-glow.env={flag}: {name} is not set here; write {name}=VALUE")
        found[name] = value if equals else environment[name]
    return found


def with_glowpy() -> dict[str, str]:
    """This process's environment, for a `python -m glowpy` that is to be of this very glowpy."""
    path = os.pathsep.join(filter(None, [_PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}
