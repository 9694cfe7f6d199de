"""The agent's core: answers, starts and kills of executors, and access to shards."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.agent.actions import (
    DeleteRun,
    KillProcess,
    LeasesChanged,
    OpenDirectory,
    StartProcess,
    ToDriver,
    ToExecutor,
)
from glowpy.agent.core import AgentCore
from glowpy.agent.executors import Limits, exit_cause
from glowpy.secret import Secret
from glowpy.shards.pull import SendBlocks, SendEnd
from glowpy.shards.segment import Block
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.greeting import PYTHON
from glowpy.wire.messages import PROTOCOL_VERSION, LeaseInUse
from glowpy.wire.run_messages import (
    Abort,
    Assign,
    AttemptStats,
    Beat,
    CloseRun,
    Commit,
    ExecutorExited,
    ExecutorHello,
    ExecutorReady,
    GroupEnded,
    GroupStarted,
    Launch,
    Launched,
    LaunchRefused,
    OpenRun,
    Outcome,
    OutputStream,
    Printed,
    Progress,
    Recall,
    Recalled,
    Refusal,
    Retire,
    RunClosed,
    RunOpened,
    RunRefused,
)

DRIVER, EXECUTOR, OTHER = b"driver", b"executor", b"other"
TIMING = Timing()
RUN_SECRET = Secret(b"r" * 16)
BLOCK = Block(0, 32, 10, 3, 99)


def own_secret(executor: str) -> Secret:
    """The one-time secret of an executor."""
    return Secret(executor.encode().ljust(16, b"-"))


def hello_of(executor: str) -> ExecutorHello:
    return ExecutorHello(
        PROTOCOL_VERSION, __version__, PYTHON, "r1", executor, own_secret(executor)
    )


@pytest.fixture
def core() -> Any:
    return AgentCore(
        owner="127.0.0.1:8931",
        host="127.0.0.1",
        directory="/dir",
        limits=Limits(2, 100),
        timing=TIMING,
        make_nonce=lambda: b"n" * 16,
        make_secret=own_secret,
    )


def send(core: Any, message: Any, payload: bytes = b"", *, now: float = 0.0) -> Any:
    return core.from_driver(DRIVER, message, payload, now)


def opened(core: Any, run: str = "r1") -> None:
    opening = OpenRun(run, 1, 0, "manifest", "driver:1", "/home", {}, 7, "", RUN_SECRET)
    assert send(core, opening, b"description") == [OpenDirectory(run, f"/dir/{run}", opening)]
    assert core.program_ready(run, 2, 50) == [ToDriver(DRIVER, RunOpened(run, 2, 50))]


def ready(core: Any, executor: str = "e1", *, memory_mb: int = 40) -> None:
    started = send(core, Launch("r1", executor, f"lease-{executor}", memory_mb))
    assert started == [StartProcess("r1", executor, own_secret(executor)), LeasesChanged()]
    assert core.process_started(executor, 77) == [ToDriver(DRIVER, Launched("r1", executor, 77))]
    hello = hello_of(executor)
    (answer,) = core.from_executor(EXECUTOR, hello, b"")
    assert isinstance(answer, ToExecutor) and answer.payload == b"description"
    assert core.from_executor(EXECUTOR, ExecutorReady("r1", executor, ""), b"") == []


WORK = AttemptStats(rows_in=5, bytes_in=50, rows_out=3, bytes_out=10, ran_s=1.5)


def assign(attempt: int, executor: str = "e1") -> Assign:
    return Assign("r1", executor, attempt + 100, attempt, ())


def begun(core: Any, attempt: int) -> None:
    begin, started = send(core, assign(attempt))
    assert begin.message.segment_path == f"/dir/r1/{attempt + 100}-{attempt}.seg"
    assert started == ToDriver(DRIVER, GroupStarted("r1", "e1", attempt + 100, attempt))


def ended(attempt: int, outcome: Outcome = Outcome.SEALED) -> GroupEnded:
    return GroupEnded("r1", "e1", attempt + 100, attempt, outcome, (BLOCK,), WORK)


def fetch(core: Any, attempt: int) -> Any:
    return core.index.fetch(
        "reader",
        1,
        "r1",
        attempt,
        0,
        first_block=0,
        credit_bytes=1000,
        is_local=True,
        secret=RUN_SECRET,
    )


def test_assignments_are_begun_one_after_another(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    assert send(core, assign(2)) == []
    begin, end = core.from_executor(EXECUTOR, ended(1), b"")
    assert begin.message.assign == assign(2)
    started = GroupStarted("r1", "e1", 102, 2)
    sealed = GroupEnded("r1", "e1", 101, 1, Outcome.SEALED, (), WORK, began=started)
    assert end == ToDriver(DRIVER, sealed)


def test_progress_of_attempts_is_reported_once_with_the_next_beat(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    beat = ToDriver(DRIVER, Beat("r1"))
    assert send(core, Beat("r1")) == [beat]
    for work in (WORK, WORK._replace(rows_in=9)):
        assert core.from_executor(EXECUTOR, Progress("r1", ((1, work),)), b"") == []
    assert send(core, Beat("r1")) == [beat, ToDriver(DRIVER, Progress("r1", ((1, work),)))]
    assert send(core, Beat("r1")) == [beat]


def test_news_of_others_and_of_attempts_that_are_over_are_dropped(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    beat = ToDriver(DRIVER, Beat("r1"))
    core.from_executor(b"stranger", Progress("r1", ((1, WORK),)), b"")
    core.from_executor(EXECUTOR, Progress("r1", ((2, WORK),)), b"")
    assert send(core, Beat("r1")) == [beat]
    core.from_executor(EXECUTOR, Progress("r1", ((1, WORK),)), b"")
    core.from_executor(EXECUTOR, ended(1), b"")
    assert send(core, Beat("r1")) == [beat]


def test_blocks_can_be_read_once_committed_and_end_once_sealed(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    assert fetch(core, 1) == []
    (sent,) = core.from_executor(EXECUTOR, Commit("r1", 1, (BLOCK,)), b"")
    assert isinstance(sent, SendBlocks) and sent.blocks == (BLOCK,)
    *_, last, _told = core.from_executor(EXECUTOR, ended(1), b"")
    assert isinstance(last, SendEnd) and (last.block_count, last.row_count) == (2, 6)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INPUT_LOST, Outcome.ABORTED])
def test_readers_of_a_failed_attempt_are_notified(core: Any, outcome: Outcome) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    assert fetch(core, 1) == []
    end, told = core.from_executor(EXECUTOR, ended(1, outcome), b"why")
    assert isinstance(end, SendEnd) and outcome.value in end.lost
    assert told.message.outcome is outcome and told.payload == b"why"


def test_reports_of_an_aborted_attempt_are_ignored(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    (stop,) = send(core, Abort("r1", "e1", 1))
    assert stop == ToExecutor(EXECUTOR, Abort("r1", "e1", 1))
    assert core.from_executor(EXECUTOR, Commit("r1", 1, (BLOCK,)), b"") == []
    (told,) = core.from_executor(EXECUTOR, ended(1), b"")
    assert told.message.outcome is Outcome.ABORTED
    (end,) = fetch(core, 1)
    assert isinstance(end, SendEnd) and end.lost


def test_an_assignment_not_begun_can_be_recalled_or_aborted(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    for attempt in (2, 3):
        assert send(core, assign(attempt)) == []
    assert send(core, Recall("r1", "e1", 2)) == [ToDriver(DRIVER, Recalled("r1", "e1", 2))]
    (told,) = send(core, Abort("r1", "e1", 3))
    assert told.message.outcome is Outcome.ABORTED
    assert send(core, Recall("r1", "e1", 1)) == [], "it has begun: that was said already"


def test_an_executors_death_loses_its_attempt_and_frees_its_lease(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    assert fetch(core, 1) == []
    assert core.leases() == (LeaseInUse("lease-e1", "r1", 40),)
    end, changed, told = core.process_exited("e1", exit_cause(-9))
    assert changed == LeasesChanged() and core.leases() == ()
    assert told.message == ExecutorExited("r1", "e1", "signal SIGKILL", False, "", True)
    assert "its executor died: signal SIGKILL" in end.lost


def test_output_of_a_process_is_sent_once_the_executor_is_ready(core: Any) -> None:
    opened(core)
    send(core, Launch("r1", "e1", "l", 1))
    assert core.process_said("e1", OutputStream.STDOUT, "of the script\n") == []
    *_, told = core.process_exited("e1", "exit status 1")
    assert told.message.log_tail == "of the script\n", "it has died there"
    ready(core)
    assert core.process_said("e1", OutputStream.STDERR, "of a task\n") == [
        ToDriver(DRIVER, Printed("r1", "e1", OutputStream.STDERR, "of a task\n"))
    ]
    *_, told = core.process_exited("e1", "signal SIGKILL")
    assert told.message.log_tail == "", "all of it has been told"
    assert core.process_said("e1", OutputStream.STDOUT, "too late\n") == []


def test_limits_are_kept_and_refusals_say_why(core: Any) -> None:
    opened(core)

    def refusal(launch: Launch) -> LaunchRefused:
        (told,) = send(core, launch)
        assert isinstance(told.message, LaunchRefused) and told.message.refusal is Refusal.FULL
        return told.message

    ready(core, "e1", memory_mb=40)
    assert "taken" in refusal(Launch("r1", "e1", "l", 1)).reason
    assert "40 of this agent's 100 MB" in refusal(Launch("r1", "e2", "l", 61)).reason
    assert "name" in refusal(Launch("r1", "../e", "l", 1)).reason
    ready(core, "e2", memory_mb=60)
    assert "all 2 executors" in refusal(Launch("r1", "e3", "l", 0)).reason


@pytest.mark.parametrize("run", ["", ".", "..", "a/b", "../x", "-x", "R", "x" * 65, "a\0b"])
def test_a_runs_name_never_becomes_a_path_unchecked(core: Any, run: str) -> None:
    (told,) = send(core, OpenRun(run, 1, 0, "", "", "", {}, 0, "", RUN_SECRET))
    assert isinstance(told.message, RunRefused) and core.runs() == []


@pytest.mark.parametrize("module", ["..", "a/b", "../x", "-x", "x" * 65, "a\0b", "é"])
def test_a_modules_name_never_becomes_a_path_unchecked(core: Any, module: str) -> None:
    (told,) = send(core, OpenRun("r1", 1, 0, "", "", "", {}, 0, module, RUN_SECRET))
    assert isinstance(told.message, RunRefused) and core.runs() == []


def test_runs_of_a_module_are_seen_together(core: Any) -> None:
    opening = OpenRun("r1", 1, 0, "", "", "", {}, 0, "Nightly_2.1", RUN_SECRET)
    assert send(core, opening) == [OpenDirectory("r1", "/dir/Nightly_2.1-r1", opening)]


def test_no_run_gets_the_directory_of_another(core: Any) -> None:
    opened(core, "m-r1")
    opening = OpenRun("r1", 1, 0, "", "", "", {}, 0, "m", RUN_SECRET)
    (told,) = send(core, opening)
    assert told == ToDriver(DRIVER, RunRefused("r1", "the run's directory is another's"))
    assert core.runs() == ["m-r1"]


def test_a_run_belongs_to_the_driver_that_opened_it(core: Any) -> None:
    opened(core)
    stranger: list[Any] = []
    for message in (
        Launch("r1", "e1", "l", 1),
        Beat("r1"),
        OpenRun("r1", 1, 0, "", "", "", {}, 0, "", RUN_SECRET),
    ):
        stranger += core.from_driver(OTHER, message, b"", 0.0)
    assert core.from_driver(OTHER, CloseRun("r1"), b"", 0.0) == []
    assert all(isinstance(told.message, RunRefused) for told in stranger)
    assert [told.peer for told in stranger] == [OTHER] * 3 and core.runs() == ["r1"]


def test_closing_a_run_kills_its_executors_and_then_deletes_it(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    assert fetch(core, 1) == []
    lost, killed = send(core, CloseRun("r1"))
    assert "the run is over" in lost.lost and killed == KillProcess("e1")
    _changed, deleted, told = core.process_exited("e1", "signal SIGKILL")
    assert (deleted, told) == (DeleteRun("r1", "/dir/r1"), ToDriver(DRIVER, RunClosed("r1")))
    assert core.runs() == [] and core.leases() == ()


def test_a_silent_driver_is_dead(core: Any) -> None:
    opened(core)
    ready(core)
    assert send(core, Beat("r1"), now=20.0) == [ToDriver(DRIVER, Beat("r1"))]
    assert KillProcess("e1") not in core.tick(20.0 + TIMING.driver_lost_s - 0.1)
    assert core.tick(20.0 + TIMING.driver_lost_s) == [KillProcess("e1")]


def test_a_silent_driver_is_written_to_now_and_then(core: Any) -> None:
    """A closed connection is only noticed by sending."""
    opened(core)
    beat = ToDriver(DRIVER, Beat("r1"))
    assert send(core, Beat("r1"), now=20.0) == [beat]
    pause_s = TIMING.beat_s
    assert core.tick(20.0 + 1.9 * pause_s) == []
    assert core.tick(20.0 + 2.0 * pause_s) == [beat]
    assert core.tick(20.0 + 2.9 * pause_s) == []
    assert core.tick(20.0 + 3.0 * pause_s) == [beat]


def test_a_run_ends_with_its_drivers_connection(core: Any) -> None:
    opened(core)
    ready(core)
    assert core.driver_gone(b"another") == []
    assert core.driver_gone(DRIVER) == [KillProcess("e1")]
    assert core.driver_gone(DRIVER) == []
    _changed, deleted, told = core.process_exited("e1", "signal SIGKILL")
    assert (deleted, told) == (DeleteRun("r1", "/dir/r1"), ToDriver(DRIVER, RunClosed("r1")))
    assert core.runs() == [] and core.leases() == ()


def test_an_executor_that_never_reaches_its_flow_is_killed(core: Any) -> None:
    opened(core)
    send(core, Launch("r1", "e1", "l", 1))
    send(core, Beat("r1"), now=TIMING.executor_start_s - 1.0)
    assert core.tick(TIMING.executor_start_s - 0.1) == []
    assert core.tick(TIMING.executor_start_s) == [KillProcess("e1")]
    *_, told = core.process_exited("e1", "signal SIGKILL")
    assert "did not reach its flow" in told.message.cause


def test_a_retired_executor_ends_by_itself_or_is_killed(core: Any) -> None:
    opened(core)
    ready(core)
    retire = Retire("r1", "e1")
    assert send(core, retire) == [ToExecutor(EXECUTOR, retire)]
    send(core, Beat("r1"), now=TIMING.shutdown_s)
    assert core.tick(TIMING.shutdown_s) == [KillProcess("e1")]
    *_, told = core.process_exited("e1", "signal SIGKILL")
    assert "did not end" in told.message.cause
    assert told.message.expected, "nobody misses it: that is no news for a user"


def test_a_program_that_cannot_be_had_ends_the_run(core: Any) -> None:
    opening = OpenRun("r1", 1, 0, "", "", "", {}, 0, "", RUN_SECRET)
    send(core, opening)
    refused, deleted = core.program_failed("r1", "no such file")
    assert refused == ToDriver(DRIVER, RunRefused("r1", "no such file"))
    assert deleted == DeleteRun("r1", "/dir/r1") and core.runs() == []
    assert core.program_ready("r1", 0, 0) == []


def test_a_process_that_cannot_be_started_is_no_death(core: Any) -> None:
    opened(core)
    send(core, Launch("r1", "e1", "l", 1))
    told, changed = core.start_failed("e1", "no memory")
    text = "cannot start a process: no memory"
    assert told.message == LaunchRefused("r1", "e1", Refusal.NO_PROCESS, text)
    assert changed == LeasesChanged() and core.leases() == ()


def test_the_agents_end_closes_every_run(core: Any) -> None:
    opened(core, "r1")
    opened(core, "r2")
    actions = core.close_all()
    assert {a.run for a in actions if isinstance(a, DeleteRun)} == {"r1", "r2"}
