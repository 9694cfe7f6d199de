"""docs/fidelity.md: every row is complete and names existing tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.named_tests import faults_of_test

TESTS = Path(__file__).resolve().parent
DOCUMENT = TESTS.parent / "docs" / "fidelity.md"
NO_TEST = "—"
RULE = re.compile(r":?-+:?")  # below the head
STATES = ("kept", "changed", "planned", "added")


def faults(text: str) -> Iterator[str]:
    """Errors in the tables of a text, a line for each."""
    head: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("|"):
            head = []
            continue
        cells = [
            cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")
        ]
        if not head:
            head = cells
        elif not all(RULE.fullmatch(cell) for cell in cells):
            for fault in _faults_of_row(cells, head):
                yield f"line {number}: {fault}"


def _faults_of_row(cells: list[str], head: list[str]) -> Iterator[str]:
    if len(cells) != len(head):
        yield f"{len(cells)} cells below a head of {len(head)}"
        return
    for name, cell in zip(head, cells, strict=True):
        if not cell:
            yield f"nothing below {name!r}"
    row = dict(zip(head, cells, strict=True))
    if row["glowpy"] and not row["glowpy"].startswith(STATES):
        yield f"neither {', '.join(STATES)}: {row['glowpy']}"
    if row["test"] not in ("", NO_TEST):
        for name in row["test"].split(", "):
            yield from faults_of_test(name)


def test_every_row_is_filled_in_and_names_tests_that_exist() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert list(faults(text)) == []
    assert text.count("\n| `") > 80, "these are not the tables"


HEAD = ["Go file", "what it does there", "glowpy", "test"]
TABLE = f"| {' | '.join(HEAD)} |\n|---|---|---|---|\n"
GOOD = "`test_fidelity.py`, `test_fidelity.py::test_a_fault_is_found`, `operators/test_sort.py`"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (f"| `a.go` | does | kept | {GOOD} |", []),
        (f"| `a.go` | does | planned: later | {NO_TEST} |", []),
        ("| `a.go` | does | kept | |", ["line 3: nothing below 'test'"]),
        ("| | | | |", [f"line 3: nothing below {name!r}" for name in HEAD]),
        (f"| | does | kept | {NO_TEST} |", ["line 3: nothing below 'Go file'"]),
        (f"| `a.go` |  |  | {NO_TEST} |", ["line 3: nothing below 'what it does there'"]),
        (f"| `a.go` | does | {NO_TEST} |", ["line 3: 3 cells below a head of 4"]),
        (f"| `a.go` | does | better | {NO_TEST} |", ["neither kept, changed, planned, added"]),
        ("| `a.go` | does | kept | `test_none.py` |", ["line 3: no such file: test_none.py"]),
        ("| `a.go` | does | kept | `test_sort.py` |", ["line 3: no such file: test_sort.py"]),
        (
            "| `a.go` | does | kept | `test_fidelity.py::test_none` |",
            ["line 3: no such test in test_fidelity.py: test_none"],
        ),
        ("| `a.go` | does | kept | planned |", ["line 3: not the name of a test: planned"]),
        (f"| `a.go` | does | kept | {NO_TEST}, `test_none.py` |", ["not the name", "no such file"]),
    ],
)
def test_a_fault_is_found(row: str, found: list[str]) -> None:
    said = list(faults(TABLE + row))
    assert len(said) >= len(found) and bool(said) == bool(found), said
    for part, fault in zip(found, said, strict=False):
        assert part in fault
