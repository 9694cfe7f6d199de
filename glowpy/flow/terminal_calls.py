"""The methods of a dataset that run what it needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from glowpy.flow.arguments import check_row_count, definition_error
from glowpy.flow.entry import Terminal
from glowpy.flow.handle import Handle
from glowpy.flow.ops.kernel import Row


class TerminalCalls(Handle):
    """Each call is one run."""

    __slots__ = ()

    def collect(self) -> list[Row]:
        """Run what this dataset needs and return its rows, in shard order.

        Raises:
            TaskFailed: the user's code raised; GlowError: the run failed otherwise.
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

    def take(self, count: int) -> list[Row]:
        """The first `count` rows in shard order, or all if there are fewer.

        Computes no more than it has to: a task stops behind as many rows of a shard, which ends
        the sources that it reads, shards are begun in their order, and what is under way when
        there are enough rows is cancelled.

        >>> from itertools import count
        >>> Flow().source(count, 1).map(lambda n: n * n).take(4)
        [0, 1, 4, 9]
        """
        count = check_row_count(count, "take")
        if not count:
            return []
        rows: list[Row] = self._execute(Terminal.TAKE, limit=count)
        return rows

    def top(self, count: int, key: Callable[..., Any] | None = None) -> list[Row]:
        """The `count` largest rows, the largest first; of equals, those that come first.

        The rows of `sort(key, reverse=True).take(count)`, with `count` rows for each shard in
        memory instead of all. `key` is that of `sort`; without one, whole rows are compared, all
        elements of tuples included. Missing values (NaN, NaT, NA) are returned only if there are
        fewer other rows than `count`.
        Its steps belong to the flow: in a script, call it above `glowpy.ready()`. Glow has none.

        >>> Flow().slice([3, 1, 4, 1, 5], shards=2).top(2)
        [5, 4]
        >>> Flow().slice([("a", 3), ("b", 1)]).top(1, key=lambda name, number: number)
        [('a', 3)]

        Raises:
            TaskFailed: two keys cannot be compared, or the user's code raised.
        """
        from glowpy.flow.ops.top import add_top_steps

        count = check_row_count(count, "top")
        rows: list[Row] = self._execute_steps(
            Terminal.TOP, lambda: add_top_steps(self._graph, self._node, count, key)
        )
        return rows

    def for_each(self, function: Callable[..., object]) -> None:
        """Run what this dataset needs and call the function with each row, where the row is.

        What it returns is dropped. Its step belongs to the flow: in a script, call it above
        `glowpy.ready()`. Glow has none: there it is a Map without results.

        >>> Flow(["-glow.inline"]).slice("ab", shards=2).for_each(print)
        a
        b
        """
        from glowpy.flow.ops.rowwise import add_for_each_step

        self._execute_steps(
            Terminal.FOR_EACH, lambda: add_for_each_step(self._graph, self._node, function)
        )

    def save_bytes_to_file(self, path: str | os.PathLike[str]) -> None:
        """Run what this dataset needs and write its rows, which are bytes, one behind another.

        Nothing is put between them. The file appears as that of `save_text_to_file` does, and a
        path that ends in `.gz` is compressed. Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
            TaskFailed: a row is no `bytes`, `bytearray` or `memoryview`.
        """
        self._execute(Terminal.SAVE_BYTES, _path(path, "save_bytes_to_file"))

    def save_text_to_file(self, path: str | os.PathLike[str]) -> None:
        """Run what this dataset needs and write one line per row, `str(row)`, in UTF-8.

        Lines are made in the tasks; the driver joins the shards in order into a temporary file
        beside `path` and renames it when everything is there. A path that ends in `.gz` is
        compressed. Rows that are no text get their `str()`; for another form, `map` them. The file
        keeps the permissions of the one that it replaces. A pipe, which is opened before anything
        runs, a device or `/dev/stdout` is written to when everything is there.
        Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
        """
        self._execute(Terminal.SAVE_TEXT, _path(path, "save_text_to_file"))

    def run(self) -> None:
        """Run what this dataset needs; its rows are drained. Go: flow/dataset_run.go."""
        self._execute(Terminal.RUN)


def _path(path: str | os.PathLike[str], operator: str) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise definition_error(f"{operator}() needs a path, not {path!r}")
    return os.fspath(path)
