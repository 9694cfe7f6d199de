"""The mode of this process, and the execution of terminal calls in each mode.

python script.py                         standalone: run here, on all cores python script.py
-glow.inline            inline: run in this very process python script.py -glow
driver: run on a cluster python script.py -glow.flow.plot         plot: print the plans python
script.py -glow.flow.id=… …       task: started by an agent, runs task groups
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from glowpy.command_line import BY_HAND, Mode, mode, parse
from glowpy.environment import RUN_VARIABLE, named_variables
from glowpy.errors import ConfigError, FlagError, ProgramError, hide_own_frames, interrupted
from glowpy.flags import Options
from glowpy.flow.entry import (
    Call,
    RunHandle,
    end_of_shared_part,
    graphs_of_process,
    no_flows_in_tasks,
)
from glowpy.flow.graph import DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.stdio import flush, hold_descriptors, notify_user

if TYPE_CHECKING:
    from glowpy.driver.control import Control
    from glowpy.driver.recording import Recorded


class _Session:
    """The state of this process: its flags, and the number of runs that its script has started."""

    runs_begun = 0
    is_ready = False  # the script has called ready()

    def __init__(self, options: Options, rest: list[str]) -> None:
        self.options = options
        self.rest = rest
        self.lock = threading.Lock()
        self.recorded: Recorded = {}  # results of earlier runs, for tasks of later runs

    def next_run(self) -> int:
        with self.lock:
            self.runs_begun += 1
            return self.runs_begun


_session: _Session | None = None

_NONE_RAN = "ended without running a flow: no run(), collect() or other terminal call was reached"


def argv() -> list[str]:
    """Return the script's own arguments, without glowpy's flags, for argparse or click."""
    return list(_current().rest)


def is_task() -> bool:
    """Return True in a process that an agent started to run task groups of this script."""
    from glowpy.flow.marks import note_is_task

    note_is_task(sys._getframe(1))
    return mode(_current().options) is Mode.TASK


def related_file(name: str) -> str:
    """Return the path in this process of a file named by `-glow.related.files`.

    Args:
        name: the file's name as in the flag, or a path below a folder in the flag.

    Raises:
        ConfigError: the file is not sent to the agents.
    """
    from glowpy.program.related import local_path, path_in_task

    options = _current().options
    if mode(options) is Mode.TASK:
        return path_in_task(name)
    return local_path(name, options.related_files if mode(options) is Mode.DRIVER else None)


def ready() -> None:
    """Ends the part of a script that driver and tasks share (Go: flow.Ready).

    In a task it runs the task groups and never returns. With `-glow.flow.plot` or
    `-glow.flow.explain` it prints the plans of all flows and ends the script. Elsewhere it does
    nothing: the code below it runs in the driver only.
    """
    session = _current()
    session.is_ready = True
    end_of_shared_part()
    if mode(session.options) is Mode.TASK:
        _become_executor(session)
    if mode(session.options) is Mode.PLOT:
        _show_plans(session.options)


def flow_created(graph: Graph) -> None:
    """Check the command line, or the flow's own flags, before a flow uses them."""
    options = _options_of(graph)
    if options.debug:
        from glowpy.tracebacks import show_all

        show_all()
    if graph.arguments is not None:
        if mode(_current().options) is not Mode.TASK:
            for note in parse(graph.arguments)[2]:
                notify_user(f"glowpy: {note}")
    elif mode(options) in (Mode.DRIVER, Mode.PLOT, Mode.TASK):
        atexit.unregister(_fail_if_nothing_ran)
        atexit.register(_fail_if_nothing_ran)
    elif _is_of_script(graph):
        atexit.unregister(_note_no_run)
        atexit.register(_note_no_run)


def execute(call: Call) -> Any:
    """Run a terminal call in the mode of this process."""
    session = _current()
    if mode(session.options) is Mode.TASK:
        return _call_in_task(session, call)
    return _execute(session, call, _options_of(call.graph), session.next_run())


def start(call: Call) -> RunHandle:
    """Start a terminal call on a background thread."""
    session = _current()
    if mode(session.options) is Mode.TASK:
        _call_in_task(session, call)
        raise ProgramError(
            "in a task of a later run, the script has reached an earlier start(); what it sends "
            "and receives there cannot be done again: define all flows first, and call "
            "glowpy.ready() before start(), for tasks end there"
        )
    options, number = _options_of(call.graph), session.next_run()
    if mode(options) is Mode.PLOT:
        _show_plans(options, call)
    _check_threads(call, options)
    from glowpy.driver.started import StartedRun

    started = StartedRun(
        lambda control: _execute(session, call, options, number, control), is_quiet=options.quiet
    )
    started.begin()
    return started


def _execute(
    session: _Session, call: Call, options: Options, number: int, control: Control | None = None
) -> Any:
    if mode(options) is Mode.PLOT:
        _show_plans(options, call)
    _check_threads(call, options)
    hold_descriptors()
    from glowpy.driver.loading import loading

    with loading():
        from glowpy.driver.execute import execute_call, runner_for

        run = runner_for(mode(options))
    try:
        value = execute_call(call, run, options, number, session.rest, session.recorded, control)
    except KeyboardInterrupt:
        hide_own_frames()
        if mode(options) is Mode.INLINE or options.debug:
            raise  # its traceback ends in the user's function
        raise interrupted(f"{call.terminal.value}() at {user_location()}") from None
    except Exception as exc:
        if _is_recording(session):
            from glowpy.driver.recording import record_failure

            record_failure(session.recorded, number, exc)
        raise
    if call.terminal.gives_value and _is_recording(session):
        from glowpy.driver.recording import record

        record(session.recorded, number, value)
    return value


def _check_threads(call: Call, options: Options) -> None:
    """Raises: ProgramError: patched (green) threads would block the run."""
    if "gevent" in sys.modules or "eventlet" in sys.modules:
        from glowpy.driver.green_threads import check_threads

        check_threads(call, is_inline=mode(options) is Mode.INLINE)


def _is_recording(session: _Session) -> bool:
    """Return True if tasks of a later run may reach this run again."""
    return not session.is_ready and mode(session.options) is Mode.DRIVER


def _current() -> _Session:
    """Return the session of this process, made at the first use."""
    global _session
    if _session is None:
        if getattr(sys.modules["__main__"], "__spec__", None) is not None:  # started by `-m`
            from glowpy.program.main_module import adopt_script

            adopt_script()
        try:
            options, rest, notes = parse(sys.argv[1:])
            _check(options)
            if mode(options) is Mode.TASK and RUN_VARIABLE not in os.environ:
                raise FlagError(BY_HAND)
        except FlagError as exc:
            _leave(str(exc), 2)
        for note in notes:
            notify_user(f"glowpy: {note}")
        _session = _Session(options, rest)
        if mode(options) is Mode.DRIVER:
            from glowpy.program.loaded_text import note_loaded

            note_loaded(sys.modules["__main__"])
    return _session


def _check(options: Options) -> None:
    """Raises: FlagError: options contradict each other, or have invalid values."""
    if mode(options) is not Mode.DRIVER:
        return
    if options.env:
        named_variables(options.env, os.environ)
    if not options.leader_given:
        return
    from glowpy.wire.address import parse_address

    try:
        parse_address(options.leader, default_port=0)
    except ConfigError as exc:
        raise FlagError(f"-glow.leader: {exc}") from exc


def _options_of(graph: Graph) -> Options:
    session = _current()
    if graph.arguments is None or mode(session.options) is Mode.TASK:
        return session.options
    return _parse_explicit(graph.arguments)


def _parse_explicit(arguments: Sequence[str]) -> Options:
    """Return the options of a flow with flags of its own.

    Raises:
        FlagError: the flags are wrong, contradict each other, or would make the flow a task.
    """
    options, rest, _notes = parse(arguments)
    if rest:
        raise FlagError(f"Flow() takes glowpy's flags only, not {rest[0]!r}")
    _check(options)
    if mode(options) is Mode.TASK:
        raise FlagError(BY_HAND)
    if mode(options) is Mode.PLOT:
        raise FlagError(
            "-glow.flow.plot and -glow.flow.explain end a script, and are no flags of a Flow(); "
            "dataset.plot() and dataset.explain() return the plan"
        )
    return options


def _call_in_task(session: _Session, call: Call) -> Any:
    from glowpy.task.process import is_serving
    from glowpy.task.recorded import recorded_result

    if is_serving():  # off the main thread
        raise no_flows_in_tasks(call)
    if threading.current_thread() is not threading.main_thread():
        raise ProgramError(
            "in a task, a run was reached off the main thread; define the flows on the main "
            "thread and call glowpy.ready() there, before threads run them: tasks end there"
        )
    number = session.next_run()
    if number < session.options.run_number:
        return recorded_result(number, gives_value=call.terminal.gives_value)
    return _become_executor(session)


def _become_executor(session: _Session) -> NoReturn:
    from glowpy.task.process import serve_script

    atexit.unregister(_fail_if_nothing_ran)
    serve_script(session.options)


def plan_of(graph: Graph, dataset: DatasetNode, kind: str) -> str:
    """Return the plan of a dataset's `collect()`, see `flow.entry.plan_of`."""
    from glowpy.driver.view.plans import plan_of

    return plan_of(graph, dataset, kind)


def _show_plans(options: Options, call: Call | None = None) -> None:
    """Print the plans of the flows defined so far and end the process.

    `call` is the script's first run; without one, the script has called `ready()`, and goes on if
    it has defined no flow.
    """
    from glowpy.driver.view.plans import show_plans

    graphs = [graph for graph in graphs_of_process() if mode(_options_of(graph)) is Mode.PLOT]
    status = show_plans(graphs, options, call)
    if status is None:
        return
    atexit.unregister(_fail_if_nothing_ran)
    if threading.current_thread() is not threading.main_thread():
        flush()  # the main thread may wait for the run for ever
        os._exit(status)
    sys.exit(status)


def _fail_if_nothing_ran() -> None:
    """At exit: report that no run was reached, and exit with status 1."""
    session = _current()
    if session.runs_begun and mode(session.options) is not Mode.TASK:
        return
    if getattr(sys, "last_value", None) is not None:
        return  # the script's exception explains more
    kind = "task" if mode(session.options) is Mode.TASK else "script"
    notify_user(f"glowpy: the {kind} {_NONE_RAN}")
    flush()
    os._exit(1)


def _is_of_script(graph: Graph) -> bool:
    """Return True if the script itself made this flow, not a module or a session."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    return script is not None and graph.location.startswith(f"{os.path.basename(script)}:")


def _note_no_run() -> None:
    """At exit: note that nothing was run, which otherwise looks like a run without output."""
    if not _current().runs_begun and getattr(sys, "last_value", None) is None:
        notify_user(f"glowpy: the script {_NONE_RAN}")


def _leave(text: str, status: int) -> NoReturn:
    notify_user(f"glowpy: {text}")
    sys.exit(status)
