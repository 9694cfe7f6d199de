"""The input files of a run, listed once by the driver."""

from __future__ import annotations

import os
import stat

from glowpy.errors import InputError, reason_of
from glowpy.flow.graph import Step
from glowpy.flow.ops.kernel import TextOp
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import InputFile
from glowpy.resources import host_name


def list_inputs(plan: Plan) -> dict[int, tuple[InputFile, ...]]:
    """Return the files of every text_file step of a plan, by step number; paths are absolute.

    Raises:
        InputError: a path or glob matches no file; the message names the host searched.
    """
    steps = (step for step_group in plan.step_groups for step in step_group.steps)
    return {step.id: _files(step, step.op) for step in steps if isinstance(step.op, TextOp)}


def _files(step: Step, op: TextOp) -> tuple[InputFile, ...]:
    entries = []
    for given in op.patterns:
        pattern = _local(step, given)
        paths = [pattern] if os.path.lexists(pattern) else _matching(step, pattern)
        entries += [_entry(step, path) for path in paths]
    return tuple(entries)


def _local(step: Step, given: str) -> str:
    if "~" not in given and "://" not in given:
        return given  # saves most runs an import
    from glowpy.paths import expand_path

    try:
        return expand_path(given)
    except ValueError as exc:
        raise InputError(f"{step.describe()}: cannot read {given}: {exc}") from exc


def _matching(step: Step, pattern: str) -> list[str]:
    import glob  # not needed where files are named

    if not glob.has_magic(pattern):
        return [pattern]  # its stat() reports the fault
    paths = [path for path in sorted(glob.glob(pattern, recursive=True)) if not os.path.isdir(path)]
    if not paths:
        raise InputError(
            f"{step.describe()}: no file matches {_absolute(pattern)} on {host_name()}"
        )
    return paths


def _entry(step: Step, path: str) -> InputFile:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as exc:  # ValueError: no file can have such a name
        where = f"{_absolute(path)} on {host_name()}"
        raise InputError(f"{step.describe()}: cannot read {where}: {reason_of(exc)}") from exc
    if stat.S_ISDIR(status.st_mode):
        raise InputError(
            f"{step.describe()}: {_absolute(path)} on {host_name()} is a directory; "
            f"name its files, for instance {os.path.join(path, '*')!r}"
        )
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            f"{step.describe()}: {_absolute(path)} on {host_name()} is not a regular file"
        )
    if not os.access(path, os.R_OK):
        raise InputError(f"{step.describe()}: {_absolute(path)} on {host_name()} may not be read")
    return InputFile(_absolute(path), status.st_size, status.st_mtime_ns)


def _absolute(path: str) -> str:
    return os.path.abspath(path)
