"""Tables that fit a terminal: columns are cut, or left out by their importance, until they do."""

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
    importance: int = 0  # the lowest is left out first; 0: never
    least_width: int = 0  # cells may be cut to so many characters; 0: never
    is_left: bool = False  # aligned left, as text is
    usual: tuple[
        str, ...
    ] = ()  # if all cells are among these, the column is left out before others


def width_of(stream: TextIO | None) -> int | None:
    """Number of characters in a line of a terminal; None: the stream is none, or has no width."""
    # OSError: a closed terminal; the others: a closed stream, or an object without these methods
    with suppress(OSError, ValueError, AttributeError):
        if stream is not None and stream.isatty():
            return os.get_terminal_size(stream.fileno()).columns or None
    return None


def fitted(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> tuple[list[str], list[str]]:
    """The lines of a table, titles first, and the titles of the columns that are left out."""
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
    """Places of the columns that may be left out, in that order."""

    def order(place: int) -> tuple[bool, int]:
        usual = columns[place].usual
        return not (usual and all(row[place] in usual for row in rows)), columns[place].importance

    return sorted((place for place, each in enumerate(columns) if each.importance), key=order)


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[place] for place in shown) + len(_GAP) * (len(shown) - 1)


def _widen(wanted: Sequence[int], widths: list[int], shown: Sequence[int], width: int) -> None:
    """Give what is left of a line to the columns that are cut, from left to right."""
    for place in shown:
        left = width - _total(widths, shown)
        widths[place] += max(0, min(left, wanted[place] - widths[place]))


def _cell(text: str, width: int, column: Column) -> str:
    if len(text) > width:
        text = f"{text[: max(0, width - 1)]}…"
    return text.ljust(width) if column.is_left else text.rjust(width)
