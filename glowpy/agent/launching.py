"""The start of a task at an agent: the command line, the environment, the directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from glowpy.agent.actions import StartProcess
from glowpy.agent.program_cache import ProgramDirectory
from glowpy.agent.task_environment import checked_options, inherited
from glowpy.command_line import task_arguments
from glowpy.environment import (
    PROGRAM_VARIABLE,
    RUN_VARIABLE,
    UNSENT_VARIABLE,
)
from glowpy.program.program import Pickled, Program
from glowpy.record import NamedTuple
from glowpy.wire.run_messages import OpenRun

_PICKLED_MODULE = "glowpy.task"  # its __main__ takes a payload's path, then the flags of a task

# `python -m` searches the working directory first, which may be the driver's, with files of its
# own. This code omits the working directory; so does -P, which Python 3.10 lacks.
_WITHOUT_DIRECTORY = "import sys; sys.path[:] = [entry for entry in sys.path if entry]; "
_RUN_MODULE = (
    f"{_WITHOUT_DIRECTORY}import runpy; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
_RUN_SCRIPT = (
    f"{_WITHOUT_DIRECTORY}from glowpy.task.script_start import start_script; start_script()"
)


class TaskStart(NamedTuple):
    """The arguments for starting a process."""

    command: list[str]
    environment: dict[str, str]
    working_directory: str


def task_start(
    opening: OpenRun,
    program: Program,
    directory: ProgramDirectory,
    start: StartProcess,
    agent_address: str,
    run_directory: str,
) -> TaskStart:
    """Return the arguments for starting an executor.

    Raises:
        OSError: its directory cannot be created.
        ValueError: the driver sent a forbidden option of Python.
    """
    arguments = task_arguments(
        flow_id=opening.flow,
        run_number=opening.run_number,
        agent_address=agent_address,
        executor_id=start.executor,
        exe_hash=program.manifest.digest,
        module=opening.module,
    )
    own_path = os.environ.get("PYTHONPATH", "")  # perhaps the only path of glowpy
    path = [str(root) for root in directory.roots] + ([own_path] if own_path else [])
    environment = {
        **inherited(os.environ),
        **opening.environment,
        PROGRAM_VARIABLE: str(directory.path),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONHASHSEED": str(opening.hash_seed),
        RUN_VARIABLE: start.run,
    }
    unsent = [name for name in opening.unsent_variables if name not in environment]
    if unsent:
        environment[UNSENT_VARIABLE] = ",".join(unsent)
    return TaskStart(
        [
            sys.executable,
            *checked_options(opening.python_options),
            *_words(
                program, directory, arguments, run_directory if opening.watches_effects else ""
            ),
        ],
        environment,
        _working_directory(opening.working_directory, run_directory, directory.related),
    )


def _working_directory(of_driver: str, run_directory: str, related: Path) -> str:
    """Return the driver's directory if present on this host, else a directory of related files.

    So a script that opens the files of -glow.related.files finds them in either directory.
    """
    if os.path.isdir(of_driver):
        return of_driver
    own = os.path.join(run_directory, "work")
    try:
        os.mkdir(own, 0o700)
    except FileExistsError:
        return own
    for name in os.listdir(related) if related.is_dir() else ():
        os.symlink(related / name, os.path.join(own, name))
    return own


def _words(
    program: Program, directory: ProgramDirectory, arguments: list[str], watched_for: str
) -> list[str]:
    """Return the arguments of Python: glowpy's flags, then the script's words with their `--`."""
    if isinstance(program, Pickled):
        return ["-c", _RUN_MODULE, _PICKLED_MODULE, str(directory.payload), *arguments]
    start = ["-c", _RUN_SCRIPT, str(directory.code), watched_for, program.entry]
    return [*start, *arguments, *program.argv]
