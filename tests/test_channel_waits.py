"""Blocked channels: an input that is never closed, an output that is never read."""

from __future__ import annotations

import queue
import re
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from glowpy import Channel, Flow
from glowpy.driver.channels.run_channels import RunChannels
from glowpy.driver.control import Control
from glowpy.driver.view import report as report_module
from glowpy.driver.view.report import Report
from glowpy.flags import Options
from glowpy.planner.fusion import make_plan
from glowpy.timing import Timing
from tests.runners import ON_EVERY_RUNNER, Runner
from tests.test_outlet import Pulls

BOUND_S = 60.0
NOTICE_S = 10.0


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[str]:
    """The notices for the user; a blocked channel is reported immediately."""
    timing = Timing(channel_notice_s=0.0, beat_s=0.1)
    monkeypatch.setattr(Timing, "from_environment", lambda: timing)
    lines: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(report_module, "notify_user", lines.put)
    return lines


def line_about(notes: queue.Queue[str], what: str) -> str:
    while what not in (line := notes.get(timeout=BOUND_S)):
        pass
    return line


@ON_EVERY_RUNNER
def test_a_channel_that_is_never_closed_is_noted(new_flow: Runner, notes: queue.Queue[str]) -> None:
    numbers, squares = Channel(), Channel()
    flow = new_flow()
    flow.channel(numbers).map(lambda x: x * x).add_output(squares)
    run = flow.start()
    numbers.send(3)
    rows: list[int] = []
    reader = threading.Thread(target=lambda: rows.extend(squares))
    reader.start()
    line = line_about(notes, "the next row of the channel")
    assert line.startswith("glowpy: waiting for ")
    assert "the input of Input0 (test_channel_waits.py:" in line
    assert "close it after its last row, by close() or `with channel:`" in line
    numbers.close()
    run.wait()
    reader.join()
    assert rows == [9]


@ON_EVERY_RUNNER
def test_an_output_that_is_never_read_is_noted(new_flow: Runner, notes: queue.Queue[str]) -> None:
    squares = Channel(10)
    flow = new_flow()
    flow.slice(range(20)).map(lambda x: x * x).add_output(squares)
    run = flow.start()
    line = line_about(notes, "a reader of the channel")
    assert "an output of Map1 (test_channel_waits.py:" in line
    assert "read it while the flow runs" in line
    assert list(squares) == [x * x for x in range(20)]
    run.wait()


def test_a_sender_without_a_run_is_noted_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr("glowpy.channel.notify_user", said.put)
    channel = Channel(1)
    channel.send(1)
    sender = threading.Thread(target=lambda: channel.send(2), daemon=True)
    sender.start()
    text = said.get(timeout=BOUND_S)
    assert channel.receive() == 1
    sender.join(BOUND_S)
    assert channel.receive() == 2
    assert re.match(r"glowpy: test_channel_waits\.py:\d+: send\(\) has waited", text)


class Waits:
    """The channels of a run, with a clock that the test sets."""

    def __init__(self, flow: Flow, control: Control, capsys: pytest.CaptureFixture[str]) -> None:
        timing = Timing(channel_notice_s=NOTICE_S)
        leaves = list(flow._graph.leaves())
        job: Any = SimpleNamespace(
            plan=make_plan(flow._graph, leaves, stored=False, outputs=[]),
            options=Options(leader="127.0.0.1:1"),
            timing=timing,
            control=control,
            outputs=[],
        )
        journal = SimpleNamespace(deal=lambda _rows: None, seal=lambda: None, close=lambda: None)
        store: Any = SimpleNamespace(open_journal=lambda _dataset: journal)
        pulls: Any = Pulls()
        self.channels = RunChannels(job, store, pulls)
        self._report = Report(timing, is_quiet=False)
        self._capsys = capsys

    def noted(self, now: float) -> str:
        self.channels.advance()
        self.channels.note_waits(self._report, now)
        return self._capsys.readouterr().err


def test_an_input_is_noted_once_after_ten_seconds_without_a_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = Channel()
    flow = Flow(["-glow.inline"])
    flow.channel(numbers).map(abs)
    control = Control(is_awaited=False)
    waits = Waits(flow, control, capsys)
    with waits.channels:
        assert waits.noted(0.0) == ""
        assert waits.noted(100.0) == "", "the program may send later: it does not wait"
        with control.awaited():
            assert waits.noted(101.0) == waits.noted(110.9) == ""
            numbers.send(1)
            assert waits.noted(111.1) == waits.noted(112.0) == waits.noted(121.9) == ""
            assert "no row for 10 s" in waits.noted(122.1)
            assert waits.noted(1000.0) == ""


def test_a_channel_that_is_closed_is_not_noted(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = Channel()
    flow = Flow(["-glow.inline"])
    flow.channel(numbers).map(abs)
    waits = Waits(flow, Control(), capsys)
    with waits.channels:
        assert waits.noted(0.0) == ""
        numbers.close()
        assert waits.noted(1.0) == waits.noted(100.0) == ""


def test_a_channel_with_a_name_is_noted_with_its_sender(capsys: pytest.CaptureFixture[str]) -> None:
    flow = Flow(["-glow.inline"])
    flow.named_channel("hello").map(str.upper)
    waits = Waits(flow, Control(), capsys)
    with waits.channels:
        said = [waits.noted(now) for now in (0.0, 1.0, 12.0)]
    assert "waiting for the next line of channel hello, the input of Input0" in said[-1]
    assert "glowpy send --to hello" in said[-1]
