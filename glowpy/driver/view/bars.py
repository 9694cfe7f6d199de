"""The progress lines of a run on a terminal: one for each step group, and one for the whole.

Drawn with rich where installed (`pip install 'glowpy[live]'`), else in plain characters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO, TypeAlias

from glowpy.amounts import format_rows
from glowpy.driver.view.progress import StepLine, worth_showing

_MOST_LABEL, _MOST_BAR = 32, 20  # characters
_NUMBERS = 45  # columns taken by the rest of a line

Paint: TypeAlias = Callable[[Sequence[StepLine], str, int, int], list[str]]


def painter(stream: TextIO) -> Paint:
    """Return a function from (step groups, summary, columns, spare lines) to the drawn lines."""
    try:
        from rich.console import Console
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return plain
    console = Console(file=stream, force_terminal=True, highlight=False, soft_wrap=False)

    def paint(lines: Sequence[StepLine], whole: str, width: int, room: int) -> list[str]:
        shown, left_out = worth_showing(lines, room - 1)
        label_width, bar_width = _widths(width)
        table = Table.grid(padding=(0, 2, 0, 0))
        for name in ("label", "bar", "tasks", "running", "rows"):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        table.columns[0].max_width = label_width
        for line in shown:
            style = "dim" if line.is_over else "bold" if line.running else ""
            bar = ProgressBar(total=line.tasks, completed=line.sealed, width=bar_width or 1)
            words = [Text(word, style) for word in _words(line)]
            table.add_row(words[0], bar if bar_width else "", *words[1:])
        console.width = width - 1
        with console.capture() as captured:
            console.print(table)
            console.print(_last(whole, left_out), no_wrap=True, overflow="ellipsis", markup=False)
        text: str = captured.get()
        return text.rstrip("\n").split("\n")

    return paint


def plain(lines: Sequence[StepLine], whole: str, width: int, room: int) -> list[str]:
    """Draw the lines without rich."""
    shown, left_out = worth_showing(lines, room - 1)
    label_width, bar_width = _widths(width)
    found = []
    for line in shown:
        label, tasks, running, rows = _words(line)
        filled = bar_width * line.sealed // line.tasks if line.tasks else bar_width
        bar = "#" * filled + "." * (bar_width - filled)
        found.append(
            f"{_cut(label, label_width):{label_width}}  {bar}  {tasks:>9}  {running:>10}  {rows}"
        )
    return [_cut(text, width - 1) for text in [*found, _last(whole, left_out)]]


def _widths(width: int) -> tuple[int, int]:
    """Return the widths of labels and bars: a narrow terminal cuts both before any number."""
    left = max(0, width - _NUMBERS)
    label = min(_MOST_LABEL, max(8, left * 3 // 5))
    bar = min(_MOST_BAR, left - label)
    return label, bar if bar >= 5 else 0


def _words(line: StepLine) -> tuple[str, str, str, str]:
    running = f"{line.running} running" if line.running else "done" if line.is_over else "waiting"
    rate = f", {format_rows(line.rows_per_s)}/s" if line.running else ""
    return (
        f"{line.number} {line.label}",
        f"{line.sealed}/{line.tasks}",
        running,
        f"{format_rows(line.rows)} rows{rate}",
    )


def _last(whole: str, left_out: int) -> str:
    return f"{whole}; {left_out} more not shown" if left_out else whole


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 2)]}.."
