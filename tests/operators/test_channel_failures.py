"""Failures of channels: every waiting call ends with an error."""

from __future__ import annotations

import threading
from operator import add
from typing import Any

import pytest

from glowpy import Channel, Flow
from glowpy.errors import (
    ChannelError,
    DefinitionError,
    ProgramError,
    RowError,
    RunCancelled,
    TaskFailed,
)
from tests.runners import ON_EVERY_RUNNER, Runner

BOUND_S = 60.0


@ON_EVERY_RUNNER
def test_a_failure_ends_every_waiting_call(new_flow: Runner) -> None:
    source, out = Channel(), Channel()
    flow = new_flow()
    flow.channel(source).map(lambda x: 1 // x).add_output(out)
    handle = flow.start()
    source.send(1)
    assert out.receive(BOUND_S) == 1
    source.send(0)
    with pytest.raises(TaskFailed, match=r"(?s)ZeroDivisionError.*row: 0"):
        out.receive(BOUND_S)
    with pytest.raises(TaskFailed, match="ZeroDivisionError") as failure:
        handle.wait()
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        source.send(2)


@ON_EVERY_RUNNER
def test_cancelling_ends_every_waiting_call(new_flow: Runner) -> None:
    source, out = Channel(capacity=1), Channel()
    flow = new_flow()
    flow.channel(source).add_output(out)
    handle = flow.start()
    source.send(1)
    assert out.receive(BOUND_S) == 1
    handle.cancel()
    assert not handle.is_running
    for call in (lambda: source.send(2), out.receive, handle.wait):
        with pytest.raises(RunCancelled, match="was cancelled"):
            call()


@ON_EVERY_RUNNER
def test_a_row_that_cannot_travel_is_shown(new_flow: Runner) -> None:
    source = Channel()
    flow = new_flow()
    flow.channel(source).map(str)
    handle = flow.start()
    source.send(threading.Lock())
    with pytest.raises(RowError, match=r"(?s)Input0 .*reads a channel: row <unlocked .*cannot be"):
        handle.wait()


@ON_EVERY_RUNNER
def test_a_sender_that_raises_does_not_pass_for_the_end(new_flow: Runner) -> None:
    source, out = Channel(), Channel()
    flow = new_flow()
    flow.channel(source).reduce(add).add_output(out)
    handle = flow.start()
    with pytest.raises(OSError, match="broken"), source:
        source.send(1)
        raise OSError("broken")
    with pytest.raises(RunCancelled, match="raised OSError: broken"):
        handle.wait()
    with pytest.raises(RunCancelled):
        out.receive(BOUND_S)


@ON_EVERY_RUNNER
def test_a_channel_is_of_one_run(new_flow: Runner) -> None:
    source, out = Channel(), Channel()
    first = new_flow()
    first.channel(source).add_output(out)
    handle = first.start()
    second = new_flow()
    mine = Channel()
    second.channel(source)
    second.channel(mine)
    with pytest.raises(ChannelError, match=r"this one was the input of Input0"):
        second.start()
    source.send(1)
    assert out.receive(BOUND_S) == 1, "the first run goes on"
    source.close()
    handle.wait()
    with pytest.raises(ChannelError, match="used once"):
        first.run()


def test_calls_that_make_no_sense() -> None:
    flow = Flow(["-glow.inline"])
    channel, out = Channel(), Channel()
    rows = flow.channel(channel).add_output(out)
    bad: Any = "rows"
    for call, words in [
        (
            lambda: flow.channel(bad),
            r"test_channel_failures.py:\d+: channel\(\) needs a glowpy.Channel",
        ),
        (lambda: flow.channel(Channel(), 0), "at least 1 shard"),
        (lambda: flow.channel(channel), "an input of this flow already"),
        (lambda: flow.channel(out), "an output of this flow already"),
        (lambda: rows.add_output(out), "an output of this flow already"),
        (lambda: rows.add_output(channel), "an input of this flow already"),
        (lambda: rows.add_output(bad), r"add_output\(\) needs a glowpy.Channel"),
        (lambda: Flow(["-glow.inline"]).start(), r"start\(\) of a flow without datasets"),
        (lambda: flow.named_channel("../x"), r"named_channel\(\) needs a name of"),
    ]:
        with pytest.raises(DefinitionError, match=words):
            call()


@ON_EVERY_RUNNER
def test_a_flows_functions_cannot_use_its_channels(new_flow: Runner) -> None:
    out = Channel(capacity=1)
    flow = new_flow()
    flow.slice([1, 2]).map(lambda row: out.send(row, timeout_s=BOUND_S))
    with pytest.raises((ProgramError, TaskFailed), match="stays in the driver program"):
        flow.run()
