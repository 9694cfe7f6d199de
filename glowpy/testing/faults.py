"""Faults in executors, armed by a test: a signal or a pause at a given row of a task group.

Executors read the armed faults from the directory in GLOWPY_FAULTS (`task.injection` is their
side). Each fault happens once, in the first executor that reaches its row.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import IO, Any

from glowpy.environment import FAULTS_VARIABLE
from glowpy.record import NamedTuple
from glowpy.task.injection import ARMED, AT_END, GATES, NEWS, Fault

# Longer than the slowest machine needs. A longer wait raises TimeoutError.
BOUND_S = 60.0


class Attempt(NamedTuple):
    """One attempt of a task group, as reported by its executor."""

    run: str
    group: int  # number of the task group in the run's plan
    steps: str  # the steps of the group: "Input0>Map1"
    task: int
    number: int  # unique within the run
    host: str  # of the executor's agent, as in shard locations
    pid: int  # of the executor's process

    @property
    def name(self) -> str:
        """Name of the task group, as in "Input0>Map1 task 0"."""
        return f"{self.steps} task {self.task}"


class ArmedFault:
    """A fault, before or after its injection."""

    def __init__(self, faults: Faults, fault: Fault, gate: IO[bytes] | None) -> None:
        self._faults = faults
        self._gate = gate
        self.number = fault.number
        self.pid = 0  # of the affected executor; 0: the fault has not happened

    @property
    def has_happened(self) -> bool:
        """True once the fault has been injected."""
        self._faults.catch_up()
        return self.pid != 0

    def wait(self, timeout_s: float = BOUND_S) -> int:
        """Wait until the fault happens, and return the process id of its executor.

        Raises:
            TimeoutError: no executor reached the row within `timeout_s`.
        """
        self._faults.wait_for(lambda: self.pid != 0, timeout_s, f"fault {self.number}")
        return self.pid

    def release(self) -> None:
        """Release the held executor, and let later executors pass this row."""
        if self._gate is not None:
            fcntl.flock(self._gate, fcntl.LOCK_UN)  # executors of a standalone run are our forks
            self._gate.close()
            self._gate = None


class Faults:
    """Arms faults and counts attempts. A context manager.

    Entering sets GLOWPY_FAULTS in this process: its standalone runs read the faults, and so do
    servers started meanwhile.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._news = threading.Condition()
        self._armed: dict[int, ArmedFault] = {}  # every fault by its number
        self._attempts: list[Attempt] = []
        self._outcomes: dict[tuple[str, int], str] = {}
        self._mark = self._next_mark = 0  # marks written to and read back from the pipe
        self.directory = ""
        self._pipe = -1

    def __enter__(self) -> Faults:
        self.directory = tempfile.mkdtemp(prefix="glowpy-faults-")
        for name in (ARMED, GATES):
            os.mkdir(os.path.join(self.directory, name))
        path = os.path.join(self.directory, NEWS)
        os.mkfifo(path, 0o600)
        # Also open for writing, so that the pipe has no end of file while executors come and go.
        self._pipe = os.open(path, os.O_RDWR)
        self._thread = threading.Thread(target=self._listen, daemon=True, name="glowpy-faults")
        self._thread.start()
        self._before = os.environ.get(FAULTS_VARIABLE)
        os.environ[FAULTS_VARIABLE] = self.directory
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._before is None:
            os.environ.pop(FAULTS_VARIABLE, None)
        else:
            os.environ[FAULTS_VARIABLE] = self._before
        for fault in self._armed.values():
            fault.release()
        os.write(self._pipe, b"\n")  # an empty line ends the thread
        self._thread.join(BOUND_S)
        os.close(self._pipe)
        self._pipe = -1
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- arming ---

    def kill_executor(
        self,
        at_row: int = 0,
        *,
        at_end: bool = False,
        step: str = "",
        task: int = -1,
        times: int = 1,
        by: signal.Signals = signal.SIGKILL,
    ) -> ArmedFault:
        """Kill an executor when its task group is about to read row `at_row`, counted from 0.

        Args:
            at_end: kill the executor after all rows are written, before the agent is notified.
            step: only a task group with this step, such as "Map1".
            task: only this task of the step.
            times: number of executors to kill, one after another; the last fault is returned.
            by: the signal; SIGSTOP suspends the executor.
        """
        row = AT_END if at_end else at_row
        for _ in range(times - 1):
            self._arm("kill", row, step, task, by)
        return self._arm("kill", row, step, task, by)

    def hold_executor(
        self, at_row: int = 0, *, at_end: bool = False, step: str = "", task: int = -1
    ) -> ArmedFault:
        """Stop an executor at a row (see `kill_executor`) until `ArmedFault.release`."""
        return self._arm("hold", AT_END if at_end else at_row, step, task, 0)

    def disarm(self) -> None:
        """Cancel every fault that has not happened, and release every held executor."""
        for name in os.listdir(os.path.join(self.directory, ARMED)):
            os.unlink(os.path.join(self.directory, ARMED, name))
        for fault in self._armed.values():
            fault.release()

    def reset(self) -> None:
        """Disarm all faults and clear all counts."""
        self.disarm()
        with self._news:
            self._armed.clear()
            self._attempts.clear()
            self._outcomes.clear()

    def _arm(self, kind: str, at_row: int, step: str, task: int, by: int) -> ArmedFault:
        fault = Fault(
            number=next(self._numbers),
            kind=kind,
            at_row=at_row,
            step=step,
            task=task,
            signal=int(by),
        )
        gate = None
        if kind == "hold":
            gate = open(  # noqa: SIM115  # closed by `release`
                os.path.join(self.directory, GATES, str(fault.number)), "wb"
            )
            fcntl.flock(gate, fcntl.LOCK_EX)
        armed = self._armed[fault.number] = ArmedFault(self, fault, gate)
        path = os.path.join(self.directory, f"new-{fault.number}")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(fault._asdict(), file)
        os.rename(path, os.path.join(self.directory, ARMED, str(fault.number)))
        return armed

    # --- what has happened ---

    @property
    def happened_count(self) -> int:
        """Number of faults that have happened since the last `reset`."""
        self.catch_up()
        return sum(fault.has_happened for fault in self._armed.values())

    def attempts(self) -> list[Attempt]:
        """Return every attempt that an executor has begun, in the order of their reports."""
        self.catch_up()
        with self._news:
            return list(self._attempts)

    def outcome(self, attempt: Attempt) -> str:
        """Return the outcome that the executor reported for an attempt; empty before its end."""
        self.catch_up()
        with self._news:
            return self._outcomes.get((attempt.run, attempt.number), "")

    def recomputed(self) -> dict[str, int]:
        """Return the number of repeated attempts by task group: {"Input0>Map1 task 0": 1}."""
        again: Counter[str] = Counter()
        begun = Counter((each.run, each.group, each.name) for each in self.attempts())
        for (_run, _group, name), times in begun.items():
            again[name] += times - 1
        return dict(+again)

    def wait_for(
        self, is_true: Callable[[], bool], timeout_s: float = BOUND_S, what: str = "this"
    ) -> None:
        """Wait until `is_true()` holds, checking it after each report of an executor.

        Args:
            what: the awaited event, for the message of the error.

        Raises:
            TimeoutError: `is_true()` did not hold within `timeout_s`.
        """
        with self._news:
            if not self._news.wait_for(is_true, timeout_s):
                raise TimeoutError(f"{what} has not happened within {timeout_s:g} s")

    def catch_up(self) -> None:
        """Process all reports that executors have written so far."""
        if self._pipe < 0:
            return  # closed by __exit__
        with self._news:
            mark = self._next_mark = self._next_mark + 1
        os.write(self._pipe, json.dumps({"event": "mark", "number": mark}).encode() + b"\n")
        self.wait_for(lambda: self._mark >= mark)

    def _listen(self) -> None:
        with open(self._pipe, encoding="utf-8", closefd=False) as pipe:
            while line := pipe.readline().strip():
                with self._news:
                    self._take(json.loads(line))
                    self._news.notify_all()

    def _take(self, news: dict[str, Any]) -> None:
        if news["event"] == "fired":
            fault = self._armed.get(news["fault"])
            if fault is not None:
                fault.pid = news["pid"]
        elif news["event"] == "began":
            names = ("run", "group", "steps", "task", "attempt", "host", "pid")
            self._attempts.append(Attempt(*(news[name] for name in names)))
        elif news["event"] == "ended":
            self._outcomes[news["run"], news["attempt"]] = news["outcome"]
        elif news["event"] == "mark":
            self._mark = max(self._mark, news["number"])
