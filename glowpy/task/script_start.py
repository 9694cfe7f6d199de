"""Runs a script in a task as `python SCRIPT` or `python -m MODULE` would, under a guard.

An agent starts `python -c BOOTSTRAP CODE RUN_DIRECTORY ENTRY WORDS…`: the program's folder, the
folder of the run (empty: side effects are not watched), the script's path below the program's
folder or the name of a module, and the words for the script's `sys.argv`.
"""

from __future__ import annotations

import os
import sys
import types
from importlib.machinery import SourceFileLoader
from typing import NoReturn

from glowpy.stdio import flush, notify_user
from glowpy.task.no_input import refuse_input
from glowpy.task.notes import take_notes
from glowpy.task.own_secret import receive_secrets
from glowpy.task.watched_environment import watch_environment


def start_script() -> None:
    """Run the script named on the command line as this process's main program."""
    receive_secrets()
    code, run_directory, entry = sys.argv[1:4]
    del sys.argv[1:4]
    refuse_input()
    watch_environment()
    if run_directory:
        _guard(code, run_directory)
    if "/" in entry:
        _run_file(os.path.join(code, entry))
    else:
        import runpy

        runpy.run_module(entry, run_name="__main__", alter_sys=True)


def _guard(code: str, run_directory: str) -> None:
    from glowpy.task.rerun_guard import RerunGuard, watch

    words = sys.argv[1:]  # the script may change its argv

    def refuse(reason: str) -> NoReturn:
        from glowpy.task.process import refuse_and_exit

        refuse_and_exit(words, reason)

    watch(RerunGuard(code, run_directory, refuse))


def _run_file(path: str) -> None:
    loader = SourceFileLoader("__main__", path)
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=path,
        __loader__=loader,
        __builtins__=sys.modules["builtins"],
        __cached__=None,
        __annotations__={},
    )
    sys.modules["__main__"] = main
    sys.argv[0] = path
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    try:
        exec(loader.source_to_code(loader.get_data(path), path), main.__dict__)
    except Exception as exc:  # noqa: BLE001  # of the script
        _end_by(exc, path)
    finally:
        flush()  # as Python does at the end of a script, before exit handlers run


def _end_by(error: Exception, path: str) -> NoReturn:
    """Report an uncaught exception as Python does, with a traceback that begins in the script."""
    flush()
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    for note in take_notes():
        notify_user(f"glowpy: {note.text}")
    raise SystemExit(1)
