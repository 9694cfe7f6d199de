"""Notes of this task process for the user, kept until its executor sends them to the driver."""

from __future__ import annotations

from glowpy.record import NamedTuple

MAX_NOTES = 100  # of one process; the agent drops what exceeds this
MAX_NOTE_CHARACTERS = 2000


class Note(NamedTuple):
    """One line for the user. The driver prints the first note of each subject only."""

    subject: str  # the same in every task: a line of the script, the name of a variable
    text: str


_subjects: set[str] = set()
_waiting: list[Note] = []


def add_note(subject: str, text: str) -> None:
    """Keep a note, if it is the first one of its subject in this process."""
    if subject not in _subjects and len(_subjects) < MAX_NOTES:
        _subjects.add(subject)
        _waiting.append(Note(subject[:MAX_NOTE_CHARACTERS], text[:MAX_NOTE_CHARACTERS]))


def take_notes() -> list[Note]:
    """The notes that were added since the last call."""
    taken = _waiting[:]
    del _waiting[: len(taken)]  # another thread may add one meanwhile
    return taken
