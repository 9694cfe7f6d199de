"""Tables that fit a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from io import StringIO
from pathlib import Path

import pytest

from glowpy.columns import Column, fitted, width_of
from tests.terminal import on_terminal

COLUMNS = (
    Column("name", least_width=6, is_left=True),
    Column("count", 3),
    Column("detail", 1),
    Column("spilled", 2, usual=("0 B",)),
    Column("wanted"),
)
ROWS = [("a long name", "12", "x", "0 B", "7"), ("b", "3,000", "y", "0 B", "10")]


def test_a_table_without_a_limit_is_complete() -> None:
    lines, left_out = fitted(COLUMNS, ROWS, None)
    assert lines == [
        "name         count  detail  spilled  wanted",
        "a long name     12       x      0 B       7",
        "b            3,000       y      0 B      10",
    ]
    assert left_out == []
    assert fitted(COLUMNS, ROWS, 43) == (lines, [])


@pytest.mark.parametrize(
    ("width", "title", "left_out"),
    [
        (42, "name        count  detail  spilled  wanted", []),
        (38, "name    count  detail  spilled  wanted", []),
        (37, "name         count  detail  wanted", ["spilled"]),
        (28, "name         count  wanted", ["detail", "spilled"]),
        (20, "name          wanted", ["count", "detail", "spilled"]),
        (3, "name    wanted", ["count", "detail", "spilled"]),
    ],
)
def test_text_is_cut_and_columns_are_left_out_by_importance(
    width: int, title: str, left_out: list[str]
) -> None:
    lines, found = fitted(COLUMNS, ROWS, width)
    assert found == left_out
    assert max(map(len, lines)) <= max(width, 14)
    assert lines[0].split() == title.split()
    assert all(line.endswith(("wanted", " 7", " 10")) for line in lines)


def test_a_column_of_usual_values_goes_first() -> None:
    assert fitted(COLUMNS, ROWS, 37)[1] == ["spilled"]
    rows = [(*row[:3], "1 MB", row[4]) for row in ROWS]
    assert fitted(COLUMNS, rows, 37)[1] == ["detail"]


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert width_of(None) is width_of(StringIO()) is None
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        assert width_of(terminal) is None, "its width is not known"
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 91, 0, 0))
        assert width_of(terminal) == 91
        os.close(ours)
    assert width_of(terminal) is None, "a closed stream"


@pytest.mark.slow
def test_statistics_on_a_terminal_of_80_columns(tmp_path: Path) -> None:
    script = """
from glowpy import Flow
Flow().slice(range(100), 4).map(abs).partition(3).sort().map(str).run()
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    words = ("script.py", "-glow.flow.stat", "-glow.workers=1")
    with on_terminal(tmp_path, *words, size=(80, 24)) as terminal:
        assert terminal.finish() == 0
    head, titles, first, second, *rest = terminal.text().splitlines()
    assert head.startswith("glowpy: run 1 done in ")
    assert titles.split()[:4] == ["step", "group", "tasks", "rows"] and "running" in titles
    assert first.startswith("0 Input0>Map1>") and second.startswith("1 Partition_collect3>")
    assert any(line.startswith("not shown: bytes in, ") for line in rest)
    assert "-glow.flow.stat=json has them" in " ".join(rest)
