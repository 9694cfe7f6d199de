"""Environment variables by which a process of ours tells those that it starts what they are to do.

Those of an agent make a process a task, together with its flags (`command_line.task_arguments`).
"""

from __future__ import annotations

import os

RUN_VARIABLE = "GLOWPY_RUN"  # the run that a task is of
PROGRAM_VARIABLE = "GLOWPY_PROGRAM"  # where a task finds what came with its program, beside code
LIFELINE_VARIABLE = "GLOWPY_LIFELINE"  # descriptor of a pipe that ends when a task's agent does
KEY_FILE_VARIABLE = "GLOWPY_KEY_FILE"  # the cluster's key, for a task
FAULTS_VARIABLE = "GLOWPY_FAULTS"  # directory of faults that a test has armed
FAMILY_VARIABLE = "GLOWPY_PIPE"  # marks what a command of pipe() has started
SCALE_VARIABLE = "GLOWPY_TIME_SCALE"  # a factor for all durations

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def with_glowpy() -> dict[str, str]:
    """This process's environment, for a `python -m glowpy` that is to be of this very glowpy."""
    path = os.pathsep.join(filter(None, [_PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}
