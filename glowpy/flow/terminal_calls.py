"""The methods of a dataset that run what it needs."""

from __future__ import annotations

import os

from glowpy.flow.arguments import definition_error
from glowpy.flow.entry import Terminal
from glowpy.flow.handle import Handle
from glowpy.flow.ops.kernel import Row


class TerminalCalls(Handle):
    """Each call is one run."""

    __slots__ = ()

    def collect(self) -> list[Row]:
        """Run what this dataset needs and return its rows, in shard order.

        Raises:
            TaskFailed: the user's code raised; GlowError: whatever else went wrong.
        """
        rows: list[Row] = self._execute(Terminal.COLLECT)
        return rows

    def count(self) -> int:
        """Run what this dataset needs and return the number of its rows.

        >>> Flow().slice("abc").count()
        3
        """
        number: int = self._execute(Terminal.COUNT)
        return number

    def save_text_to_file(self, path: str | os.PathLike[str]) -> None:
        """Run what this dataset needs and write one line per row, `str(row)`, in UTF-8.

        Lines are made in the tasks; the driver joins the shards in order into a temporary file
        beside `path` and renames it when everything is there. A path that ends in `.gz` is
        compressed. Rows that are no text get their `str()`; for another form, `map` them.
        Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
        """
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise definition_error(f"save_text_to_file() needs a path, not {path!r}")
        self._execute(Terminal.SAVE_TEXT, os.fspath(path))

    def run(self) -> None:
        """Run what this dataset needs; its rows are drained. Go: flow/dataset_run.go."""
        self._execute(Terminal.RUN)
