"""Environment variables set by glowpy for the processes that it starts.

An agent's variables make a process a task, together with its flags (`command_line.task_arguments`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from glowpy.errors import FlagError

RUN_VARIABLE = "GLOWPY_RUN"  # the run of a task
PROGRAM_VARIABLE = "GLOWPY_PROGRAM"  # a task's directory of files shipped beside the code
LIFELINE_VARIABLE = "GLOWPY_LIFELINE"  # descriptor of a pipe that ends with a task's agent
SECRET_VARIABLE = "GLOWPY_SECRET"  # descriptor of a pipe that holds the secrets of a task
FAULTS_VARIABLE = "GLOWPY_FAULTS"  # directory of faults armed by a test
FAMILY_VARIABLE = "GLOWPY_PIPE"  # marks the processes that a command of pipe() has started
EXECUTOR_VARIABLE = "GLOWPY_EXECUTOR"  # marks an executor and the processes that it has started
UNSENT_VARIABLE = "GLOWPY_UNSENT"  # names of the driver's variables that a task lacks
SCALE_VARIABLE = "GLOWPY_TIME_SCALE"  # a factor for all durations

UNSENT_SUBJECT = "environment variable "  # of a note on an unsent variable, whose name follows

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def named_variables(flag: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `-glow.env=A,B=value`; a missing value comes from `environment`.

    Raises:
        FlagError: a name is invalid, or a variable has no value.

    >>> named_variables("A,B=1", {"A": "x"})
    {'A': 'x', 'B': '1'}
    """
    found = {}
    for part in filter(None, flag.split(",")):
        name, equals, value = part.partition("=")
        if not name.isidentifier() or not name.isascii():
            raise FlagError(
                f"-glow.env={flag}: {name!r} is no name of a variable; to send a value with a "
                "comma, set the variable here and give its name alone"
            )
        if name.startswith("GLOWPY_"):
            raise FlagError(f"-glow.env={flag}: {name} is glowpy's own")
        if not equals and name not in environment:
            raise FlagError(f"-glow.env={flag}: {name} is not set here; write {name}=VALUE")
        found[name] = value if equals else environment[name]
    return found


def with_glowpy() -> dict[str, str]:
    """Return this process's environment, extended so that `python -m glowpy` finds this glowpy."""
    path = os.pathsep.join(filter(None, [_PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}
