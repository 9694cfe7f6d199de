"""Notes of tasks to the user: one line each, of limited length and number."""

from __future__ import annotations

import os

import pytest

from glowpy.agent.executors import ExecutorSlot
from glowpy.agent.runs import Run
from glowpy.driver.view import report
from glowpy.driver.view.report import Report
from glowpy.ranges import LINE_CHARACTERS
from glowpy.secret import Secret
from glowpy.task import notes
from glowpy.timing import Timing
from glowpy.wire.coding import Coder
from glowpy.wire.messages import MESSAGES
from glowpy.wire.run_messages import Noted


@pytest.fixture(autouse=True)
def _no_notes_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_waiting", [])
    monkeypatch.setattr(notes, "_subjects", set())
    monkeypatch.setattr(report, "_noted_subjects", set())


def test_a_note_is_one_line_of_characters_that_travel() -> None:
    notes.add_note("s", os.fsdecode(b"rm \xff\x1b[2J\n") + "x" * 5000)
    (note,) = notes.take_notes()
    assert note.text.startswith(r"rm \udcff\x1b[2J\nx") and len(note.text) == LINE_CHARACTERS
    message, coder = Noted("r", "e", *note), Coder(MESSAGES)
    assert coder.decode(coder.encode(message)) == message


def test_a_process_keeps_one_note_of_a_subject_and_a_bounded_number() -> None:
    for number in (0, 0, *range(200)):
        notes.add_note(str(number), f"note {number}")
    assert [note.text for note in notes.take_notes()] == [f"note {n}" for n in range(100)]
    assert notes.take_notes() == []


def test_an_agent_passes_on_a_bounded_number_of_notes() -> None:
    run = Run("r1", b"", b"", "/run", b"", Secret.make(), 0.0)
    slot = ExecutorSlot(run, "e1", Secret.make(), "lease", 64, 0.0)
    assert [slot.counts_note() for _ in range(102)] == [True] * 100 + [False] * 2


def test_the_driver_prints_one_note_of_a_subject(capsys: pytest.CaptureFixture[str]) -> None:
    for _run in range(2):
        for text in ("of one task", "of another"):
            Report(Timing(), is_quiet=False).note_once("script.py:1", text)
    Report(Timing(), is_quiet=True).note_once("script.py:2", "silenced")
    assert capsys.readouterr().err == "glowpy: of one task\n"
