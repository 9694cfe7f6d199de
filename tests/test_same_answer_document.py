"""docs/same-answer.md: each row names existing tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.named_tests import faults_of_test

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "same-answer.md"


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each table row below a head."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| case |"):
            yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def test_each_row_has_three_cells_and_names_existing_tests() -> None:
    for cells in rows(DOCUMENT.read_text(encoding="utf-8")):
        assert len(cells) == 3, cells
        case, effect, tests = cells
        assert case and effect, cells
        assert [fault for name in tests.split(", ") for fault in faults_of_test(name)] == []
