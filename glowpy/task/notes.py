"""Notes of this task process for the user, kept until its executor sends them to the driver."""

from __future__ import annotations

from glowpy.ranges import LINE_CHARACTERS, NOTES_OF_EXECUTOR
from glowpy.record import NamedTuple


class Note(NamedTuple):
    """One line for the user. The driver prints the first note on each subject only."""

    subject: str  # the same in every task: a script line, or the name of a variable
    text: str


_subjects: set[str] = set()
_waiting: list[Note] = []


def add_note(subject: str, text: str) -> None:
    """Store the first note on each subject in this process."""
    if subject not in _subjects and len(_subjects) < NOTES_OF_EXECUTOR:
        _subjects.add(subject)
        _waiting.append(Note(_line(subject), _line(text)))


def take_notes() -> list[Note]:
    """Return the notes added since the last call."""
    taken = _waiting[:]
    del _waiting[: len(taken)]  # another thread may add a note meanwhile
    return taken


def _line(text: str) -> str:
    """Return a text as one line, with control characters and lone surrogates escaped."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return text[:LINE_CHARACTERS]
