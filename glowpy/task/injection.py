"""Injects the faults that a test has armed into this executor.

GLOWPY_FAULTS names a directory made by `glowpy.testing`. Without the variable, this module is never
loaded.

    armed/<number>   one fault, as JSON; the executor that unlinks the file suffers the fault
    gates/<number>   locked by the test while executors are held at this fault
    news             a named pipe: reports of executors, one JSON object per line
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from contextlib import suppress
from typing import Any

from glowpy.flow.ops.kernel import Stream
from glowpy.planner.plan import Plan
from glowpy.record import NamedTuple

ARMED, GATES, NEWS = "armed", "gates", "news"
AT_END = -1
_UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
_MOST_LABEL_CHARACTERS = 500  # a line must fit into one atomic write to the pipe


class Fault(NamedTuple):
    """One fault: its kind and its place. Happens once."""

    number: int
    kind: str  # "kill" or "hold"
    # rows read before the fault; AT_END: all rows are written, and no message is sent yet
    at_row: int
    step: str  # name of a step in the task group; empty: any
    task: int  # number of the task; -1: any
    signal: int = 0  # of a "kill"

    def is_for(self, steps: list[str], task: int) -> bool:
        return (not self.step or self.step in steps) and self.task in (-1, task)


class Injector:
    """The faults of one executor; reports each fault before it happens."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._news = -1
        with suppress(OSError):  # the test has ended
            self._news = os.open(os.path.join(directory, NEWS), os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(self._news, True)

    def begin(self, plan: Plan, run: str, group: int, attempt: int, host: str) -> AttemptFaults:
        """Report the start of an attempt, and return the faults armed for its task group."""
        _plan, _number, step_group, task = plan.task_group(group)
        steps = [step.label for step in step_group.steps]
        name = {"steps": ">".join(steps)[:_MOST_LABEL_CHARACTERS], "task": task, "run": run}
        self.tell("began", **name, group=group, attempt=attempt, host=host)
        mine = [fault for fault in self._armed() if fault.is_for(steps, task)]
        return AttemptFaults(self, run, attempt, mine)

    def tell(self, event: str, **what: Any) -> None:
        line = json.dumps({"event": event, "pid": os.getpid(), **what}) + "\n"
        if self._news >= 0:
            with suppress(BrokenPipeError):  # the test has ended
                os.write(self._news, line.encode())

    def fire(self, fault: Fault, attempt: int) -> None:
        """Trigger the fault here, unless another executor has triggered it."""
        try:
            os.unlink(os.path.join(self._directory, ARMED, str(fault.number)))
        except FileNotFoundError:
            return
        self.tell("fired", fault=fault.number, attempt=attempt)
        if fault.kind == "hold":
            with suppress(FileNotFoundError), open(self._gate(fault), "rb") as gate:
                fcntl.flock(gate, fcntl.LOCK_SH)  # granted when the test opens the gate or ends
            return
        if fault.signal not in _UNCATCHABLE:
            signal.signal(fault.signal, signal.SIG_DFL)
        os.kill(os.getpid(), fault.signal)

    def _gate(self, fault: Fault) -> str:
        return os.path.join(self._directory, GATES, str(fault.number))

    def _armed(self) -> list[Fault]:
        directory = os.path.join(self._directory, ARMED)
        found = []
        for name in sorted(os.listdir(directory), key=int) if os.path.isdir(directory) else ():
            with suppress(FileNotFoundError), open(os.path.join(directory, name), "rb") as file:
                found.append(Fault(**json.load(file)))
        return found


class AttemptFaults:
    """The faults armed for one attempt."""

    def __init__(self, injector: Injector, run: str, attempt: int, faults: list[Fault]) -> None:
        self._injector = injector
        self._run = run
        self._attempt = attempt
        self._at_end = [fault for fault in faults if fault.at_row == AT_END]
        self._ahead = sorted(
            (fault for fault in faults if fault.at_row != AT_END),
            key=lambda fault: (fault.at_row, fault.number),
        )
        self._row = 0  # position among all rows that the group reads

    def observe_rows(self, stream: Stream) -> Stream:
        """Yield the same rows, with a batch boundary before each row that has a fault."""
        for batch in stream:
            rows = batch
            while rows:
                self._reach()
                taken = self._rows_ahead(len(rows))
                self._row += taken
                yield rows if taken == len(rows) else rows[:taken]
                rows = rows[taken:]

    def end(self) -> None:
        """Trigger the faults for the end: all rows are written, and no message is sent."""
        for fault in self._at_end:
            self._injector.fire(fault, self._attempt)

    def ended(self, outcome: str) -> None:
        """Report the outcome of the attempt to the test."""
        self._injector.tell("ended", run=self._run, attempt=self._attempt, outcome=outcome)

    def _reach(self) -> None:
        """Trigger the faults of the next row."""
        while self._ahead and self._ahead[0].at_row <= self._row:
            self._injector.fire(self._ahead.pop(0), self._attempt)

    def _rows_ahead(self, most: int) -> int:
        return min(most, self._ahead[0].at_row - self._row) if self._ahead else most
