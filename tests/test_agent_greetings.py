"""Greetings of executors that an agent accepts or drops."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.agent.actions import KillProcess, LogImpostor, StartProcess, ToDriver, ToExecutor
from glowpy.secret import Secret
from glowpy.wire.messages import PROTOCOL_VERSION
from glowpy.wire.run_messages import (
    Commit,
    Describe,
    ExecutorHello,
    ExecutorReady,
    GroupEnded,
    Launch,
    LaunchRefused,
    OpenRun,
    Outcome,
    OutputStream,
    Printed,
    Refusal,
    Retire,
    RunRefused,
)
from tests.test_agent_core import (
    BLOCK,
    DRIVER,
    EXECUTOR,
    OTHER,
    RUN_SECRET,
    begun,
    core,
    ended,
    fetch,
    hello_of,
    opened,
    own_secret,
    ready,
    send,
)

__all__ = ["core"]


def test_an_executor_that_is_not_known_is_sent_away(core: Any) -> None:
    opened(core)
    hello = hello_of("e9")
    assert core.from_executor(OTHER, hello, b"") == [ToExecutor(OTHER, Retire("r1", "e9"))]
    ready(core)
    begun(core, 1)
    assert core.from_executor(OTHER, ended(1), b"") == [], "its connection is another's"
    assert core.from_executor(OTHER, Commit("r1", 1, (BLOCK,)), b"") == []


def test_an_executor_of_another_release_is_refused_for_good(core: Any) -> None:
    opened(core)
    send(core, Launch("r1", "e1", "l", 1))
    hello = ExecutorHello(PROTOCOL_VERSION, "0.0.0", "2.7", "r1", "e1", own_secret("e1"))
    told, killed = core.from_executor(EXECUTOR, hello, b"")
    assert told.message.refusal is Refusal.FATAL and killed == KillProcess("e1")
    assert "glowpy 0.0.0" in told.message.reason and "Python 2.7" in told.message.reason


def test_an_executor_whose_plan_differs_is_refused_for_good(core: Any) -> None:
    opened(core)
    send(core, Launch("r1", "e1", "l", 1))
    hello = hello_of("e1")
    core.from_executor(EXECUTOR, hello, b"")
    told, killed = core.from_executor(EXECUTOR, ExecutorReady("r1", "e1", "another flow"), b"it")
    assert told == ToDriver(DRIVER, LaunchRefused("r1", "e1", Refusal.FATAL, "another flow"), b"it")
    assert killed == KillProcess("e1")


@pytest.mark.parametrize("secret", [b"", b"-" * 16, bytes(own_secret("e2")), bytes(RUN_SECRET)])
def test_a_greeting_without_the_secret_of_the_executor_changes_nothing(
    core: Any, secret: bytes
) -> None:
    opened(core)
    send(core, Launch("r1", "e1", "l", 1))
    wrong = hello_of("e1")._replace(secret=Secret(secret))
    assert core.from_executor(OTHER, wrong, b"") == [LogImpostor(OTHER, "r1", "e1")]
    assert core.from_executor(OTHER, ExecutorReady("r1", "e1", "refused"), b"it") == []
    (answer,) = core.from_executor(EXECUTOR, hello_of("e1"), b"")
    assert answer.peer == EXECUTOR and isinstance(answer.message, Describe)
    assert answer.message.secret == RUN_SECRET


def test_a_secret_counts_once(core: Any) -> None:
    opened(core)
    ready(core)
    begun(core, 1)
    replayed = hello_of("e1")
    assert core.from_executor(OTHER, replayed, b"") == [LogImpostor(OTHER, "r1", "e1")]
    again = replayed._replace(secret=Secret())  # the secret that the core keeps afterwards
    assert core.from_executor(OTHER, again, b"") == [LogImpostor(OTHER, "r1", "e1")]
    forged = GroupEnded("r1", "e1", 101, 1, Outcome.FAILED, (), reason="forged")
    for message in (
        forged,
        Commit("r1", 1, (BLOCK,)),
        Printed("r1", "e1", OutputStream.STDOUT, "x"),
    ):
        assert core.from_executor(OTHER, message, b"payload") == []
    assert fetch(core, 1) == [], "nothing is committed"
    assert core.from_executor(EXECUTOR, ended(1), b"") != []


def test_a_flood_of_impostors_is_logged_a_bounded_number_of_times(core: Any) -> None:
    opened(core)
    send(core, Launch("r1", "e1", "l", 1))
    wrong = hello_of("e1")._replace(secret=Secret())
    logged = [core.from_executor(OTHER, wrong, b"") for _ in range(50)]
    assert [len(each) for each in logged] == [1] * 10 + [0] * 40


def test_each_executor_has_a_secret_of_its_own(core: Any) -> None:
    opened(core)
    secrets = set()
    for executor in ("e1", "e2"):
        start, *_ = send(core, Launch("r1", executor, "l", 1))
        assert isinstance(start, StartProcess)
        secrets.add(start.secret)
    assert len(secrets) == 2 and RUN_SECRET not in secrets


def test_a_run_without_a_secret_is_refused(core: Any) -> None:
    (told,) = send(core, OpenRun("r1", 1, 0, "", "", "", {}, 0, "", Secret()))
    assert told.message == RunRefused("r1", "the run has no secret") and core.runs() == []


def test_no_text_of_a_message_or_action_shows_a_secret(core: Any) -> None:
    opened(core)
    shown = [hello_of("e1"), *send(core, Launch("r1", "e1", "l", 1))]
    shown += core.from_executor(EXECUTOR, hello_of("e1"), b"")
    text = f"{shown} {RUN_SECRET} {own_secret('e1')!s}"
    assert text.count("Secret(…)") == 5
    assert "e1-" not in text and "rrr" not in text
