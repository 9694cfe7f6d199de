"""The lines of a run in the output of a notebook cell, updated in place."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

_COLUMNS, _LINES = 100, 30


class CellOutput:
    """The `Screen` of a kernel. A context manager: leaving it clears the output."""

    is_covered = False  # the output of a cell grows elsewhere

    def __init__(self) -> None:
        self._handle: Any = None
        self._text = ""

    def __enter__(self) -> CellOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None and self._text:
            self._show("")

    def size(self) -> tuple[int, int] | None:
        """Return the columns and lines of a cell without wrapping and scrolling."""
        return _COLUMNS, _LINES

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the lines."""
        text = "\n".join(lines)
        if text != self._text:
            self._show(text)

    def leave(self, text: str) -> None:
        """Replace the lines by a last one, which stays."""
        self._show(text)
        self._handle = None

    def _show(self, text: str) -> None:
        self._text = text
        content = {"text/plain": text}
        if self._handle is None:
            from IPython import display

            show: Any = display.display  # without types
            self._handle = show(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
