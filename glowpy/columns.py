"""Tables that fit a terminal: wide columns are cut, unimportant columns left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from glowpy.record import NamedTuple

_GAP = "  "


class Column(NamedTuple):
    """One column of a table."""

    title: str
    importance: int = 0  # the lowest is left out first; 0: never left out
    least_width: int = 0  # cells are cut to this width at most; 0: never cut
    is_left: bool = False  # aligned left, as text is
    usual: tuple[
        str, ...
    ] = ()  # if all cells are among these, the column is left out before others


def width_of(stream: TextIO | None) -> int | None:
    """Return the width of a terminal in characters; None for other streams."""
    # OSError: a closed terminal; the others: a closed stream, or an object without these methods
    with suppress(OSError, ValueError, AttributeError):
        if stream is not None and stream.isatty():
            return os.get_terminal_size(stream.fileno()).columns or None
    return None


def fitted(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> tuple[list[str], list[str]]:
    """Return the lines of a table, titles first, and the titles of the columns left out."""
    widths = [
        max(len(column.title), *(len(row[place]) for row in rows))
        for place, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    if width is not None:
        least = [
            min(widths[place], column.least_width) if column.least_width else widths[place]
            for place, column in enumerate(columns)
        ]
        for place in _expendable(columns, rows):
            if _total(least, shown) <= width:
                break
            shown.remove(place)
        _widen(widths, least, shown, width)
        widths = least
    lines = []
    for row in ([column.title for column in columns], *rows):
        cells = [_cell(row[place], widths[place], columns[place]) for place in shown]
        lines.append(_GAP.join(cells).rstrip())
    return lines, [column.title for place, column in enumerate(columns) if place not in shown]


def _expendable(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the places of the dispensable columns, the least important first."""

    def order(place: int) -> tuple[bool, int]:
        usual = columns[place].usual
        return not (usual and all(row[place] in usual for row in rows)), columns[place].importance

    return sorted((place for place, each in enumerate(columns) if each.importance), key=order)


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[place] for place in shown) + len(_GAP) * (len(shown) - 1)


def _widen(wanted: Sequence[int], widths: list[int], shown: Sequence[int], width: int) -> None:
    """Distribute the remaining width among cut columns, from left to right."""
    for place in shown:
        left = width - _total(widths, shown)
        widths[place] += max(0, min(left, wanted[place] - widths[place]))


def _cell(text: str, width: int, column: Column) -> str:
    if len(text) > width:
        text = f"{text[: max(0, width - 1)]}…"
    return text.ljust(width) if column.is_left else text.rjust(width)
