"""Notices of the driver during a run."""

from __future__ import annotations

import io
import sys

import pytest

from glowpy.driver.view.report import Report
from glowpy.timing import Timing


@pytest.fixture
def report() -> Report:
    return Report(Timing(notice_s=2.0), is_quiet=False)


def printed(report: Report, source: str, text: str, encoding: str = "utf-8") -> str:
    target = io.TextIOWrapper(io.BytesIO(), encoding, newline="")
    report.printed(source, target, text)
    assert isinstance(target.buffer, io.BytesIO)
    return target.buffer.getvalue().decode(encoding)  # flushed


def test_lines_of_a_task_stand_behind_their_agent(report: Report) -> None:
    text = "one\n\ntwo\u2028\n"
    assert printed(report, "", text) == text
    assert printed(report, "host:1", text) == "host:1> one\nhost:1> \nhost:1> two\u2028\n"
    assert printed(report, "host:1", "no end") == "host:1> no end\n"


def test_unprintable_characters_are_written_as_escapes(report: Report) -> None:
    assert printed(report, "", "für €\n", "ascii") == "f\\xfcr \\u20ac\n"
    assert printed(report, "a", "für €\n", "latin-1") == "a> für \\u20ac\n"
    assert printed(report, "", "\udcff\n") == "\\udcff\n"
    target = io.StringIO()
    report.printed("", target, "any \ud800\n")
    assert target.getvalue() == "any \ud800\n"


def test_notes_go_to_stderr_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    for is_quiet in (False, True):
        report = Report(Timing(), is_quiet=is_quiet)
        report.note("agent a is lost")
        report.printed("", sys.stdout, "a line\n")
    assert capsys.readouterr() == ("a line\na line\n", "glowpy: agent a is lost\n")


def test_a_wait_is_announced_once_when_it_lasts(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    def announced(now: float, what: str) -> str:
        report.waiting(now, what)
        return capsys.readouterr().err

    assert announced(100.0, "executors") == announced(101.9, "executors") == ""
    assert announced(102.0, "executors") == "glowpy: waiting for executors\n"
    assert announced(200.0, "executors") == ""
    assert announced(200.1, "a master") == announced(202.0, "a master") == ""
    assert announced(202.1, "a master") == "glowpy: waiting for a master\n"


def test_waits_that_end_in_time_are_not_announced(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    for now in range(100, 120):
        report.waiting(now, "executors" if now % 2 else "")
    report.waiting(200.0, "")
    assert capsys.readouterr().err == ""
