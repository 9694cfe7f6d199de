"""The name of an executor's process: its run and its task group, for `ps`, `top` and `py-spy`.

    r2 3/8 Map1    run 2 of the script, task 3 of 8 of the step group of Map1
    r2 idle        run 2, without a task group

Linux keeps the first 15 bytes, so the numbers come first. A change costs about 5 µs.
"""

from __future__ import annotations

import os
from contextlib import suppress

from glowpy.planner.plan import Plan

_PATH = "/proc/self/comm"  # of the whole process: the name of its main thread


class ProcessTitle:
    """Names this process after its run and task group. A context manager."""

    def __init__(self, run_number: int, plan: Plan) -> None:
        self._run = f"r{run_number}"
        self._plan = plan
        self._descriptor = -1
        self._is_idle = False

    def __enter__(self) -> ProcessTitle:
        with suppress(OSError):  # without /proc, as in some containers, the process keeps its name
            self._descriptor = os.open(_PATH, os.O_WRONLY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def group(self, group: int) -> None:
        """Name the process after a task group."""
        self._is_idle = False
        self._set(f"{self._run} {short_label(self._plan, group)}")

    def idle(self) -> None:
        """Name the process idle."""
        if not self._is_idle:
            self._is_idle = True
            self._set(f"{self._run} idle")

    def _set(self, name: str) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.write(self._descriptor, name.encode())


def short_label(plan: Plan, group: int) -> str:
    """Return the task and the first step with an effect: `3/8 Map1`."""
    task_group = plan.task_group(group)
    steps = task_group.step_group.steps
    step = steps[1] if steps[0].name == "Input" and len(steps) > 1 else steps[0]
    return f"{task_group.task}/{task_group.step_group.task_count} {step.label}"
