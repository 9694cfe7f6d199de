"""The methods of a dataset that start a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from glowpy.flow.arguments import check_row_count, definition_error
from glowpy.flow.entry import Terminal
from glowpy.flow.handle import Handle
from glowpy.flow.ops.kernel import Row


class TerminalCalls(Handle):
    """Terminal calls: each call is one run."""

    __slots__ = ()

    def collect(self) -> list[Row]:
        """Compute this dataset and return its rows, in shard order.

        Raises:
            TaskFailed: the user's code raised.
            GlowError: the run failed for another reason.
        """
        rows: list[Row] = self._execute(Terminal.COLLECT)
        return rows

    def count(self) -> int:
        """Compute this dataset and return the number of its rows.

        >>> Flow().slice("abc").count()
        3
        """
        number: int = self._execute(Terminal.COUNT)
        return number

    def take(self, count: int) -> list[Row]:
        """Return the first `count` rows in shard order, or all if there are fewer.

        The run computes little more than these rows: shards are started in order, a task stops at
        the row limit of its shard, which also ends its sources, and tasks still running when
        `count` rows are complete are cancelled.

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
        """Return the `count` largest rows in descending order; of equal rows, the first.

        The result equals `sort(key, reverse=True).take(count)`, with only `count` rows per shard in
        memory. `key` is the same as for `sort`; without a key, whole rows are compared, all
        elements of tuples included. Missing values (NaN, NaT, NA) are returned only if there are
        fewer other rows than `count`. The call adds steps to the flow: in a script, place it above
        `glowpy.ready()`. Not in Glow.

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
        """Compute this dataset and call the function with each row, in the task of the row.

        The function's results are dropped. The call adds a step to the flow: in a script, place it
        above `glowpy.ready()`. In Glow, use a Map without results.

        >>> Flow(["-glow.inline"]).slice("ab", shards=2).for_each(print)
        a
        b
        """
        from glowpy.flow.ops.rowwise import add_for_each_step

        self._execute_steps(
            Terminal.FOR_EACH, lambda: add_for_each_step(self._graph, self._node, function)
        )

    def save_bytes_to_file(self, path: str | os.PathLike[str]) -> None:
        """Compute this dataset and write its rows of bytes to a file, without separators.

        The file is replaced as by `save_text_to_file`, and compressed if its path ends in `.gz`.
        Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
            TaskFailed: a row is not `bytes`, `bytearray` or `memoryview`.
        """
        self._execute(Terminal.SAVE_BYTES, _path(path, "save_bytes_to_file"))

    def save_text_to_file(self, path: str | os.PathLike[str]) -> None:
        """Compute this dataset and write one line per row, `str(row)`, in UTF-8.

        Tasks format the lines; the driver writes the shards in order to a temporary file beside
        `path` and renames the complete file. A path that ends in `.gz` is compressed. For a form
        other than `str(row)`, `map` the rows. The new file keeps the permissions of an existing
        file. Pipes, devices and `/dev/stdout` are written once all rows are complete; a pipe is
        opened before the run starts. Go: flow/dataset_output.go.

        Raises:
            OutputError: the file cannot be written.
        """
        self._execute(Terminal.SAVE_TEXT, _path(path, "save_text_to_file"))

    def run(self) -> None:
        """Compute this dataset and drop its rows. Go: flow/dataset_run.go."""
        self._execute(Terminal.RUN)


def _path(path: str | os.PathLike[str], operator: str) -> str:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise definition_error(f"{operator}() needs a path, not {path!r}")
    return os.fspath(path)
