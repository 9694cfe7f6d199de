"""The pipe step: sends the rows of each shard through a Unix command. Not in Glow.

A single thread writes to the command while the command accepts input, and reads output as soon as
output exists. Neither side blocks the other, at any size of the command's buffers.

    rows -> lines -> stdin [command] stdout -> lines -> rows
                              stderr -> stderr of the task; the last bytes also for the error
"""

from __future__ import annotations

import os
import select
import selectors
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import IO, Any

from glowpy.environment import FAMILY_VARIABLE
from glowpy.errors import CommandFailed, RowError, short_repr
from glowpy.family import kill_family, new_mark
from glowpy.flow.arguments import definition_error
from glowpy.flow.graph import ONE_TO_ONE, DatasetNode, Graph
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Batch, BatchOp, Stream, TaskContext, chain
from glowpy.signals import signal_name

_CHUNK_BYTES = 1 << 16
# Time limit for output before the next row of a channel is sent. Not in `timing`, whose durations
# are shorter in tests: a command does not answer faster there.
_OUTPUT_TIMEOUT_S = 0.05
_TAIL_BYTES = 4096  # of standard error, shown when the command fails


def add_pipe_step(graph: Graph, source: DatasetNode, command: str | Sequence[str]) -> DatasetNode:
    """Append a Pipe step, which starts the command once for each shard."""
    words: list[Any] = ["/bin/sh", "-c", command]
    if not isinstance(command, str):
        words = list(command) if isinstance(command, Sequence) else []
    if not command or not words or not all(isinstance(w, (str, os.PathLike)) for w in words):
        raise definition_error(f"pipe() needs a command, a str or a list of str, not {command!r}")
    plain = tuple(os.fspath(word) for word in words)
    if not plain[0] or any("\0" in word for word in plain):
        raise definition_error(
            f"pipe() needs a command with a name and without null characters, not {command!r}"
        )
    return graph.add_step(
        "Pipe",
        BatchOp(partial(pipe, plain), is_streaming=True),
        ((source, ONE_TO_ONE),),
        user_location(),
        task_count=source.shard_count,
    )


def pipe(words: tuple[str, ...], context: TaskContext, edges: Sequence[Sequence[Stream]]) -> Stream:
    """Write rows to the command and yield its output lines. Closing the stream ends the command."""
    incomplete: list[bytes] = []  # pieces of the last line, which has no end yet
    lines_in = filter(None, map(lines_of, chain(edges[0])))
    with _Command(words) as command:
        for data in command.run(lines_in, _OUTPUT_TIMEOUT_S if context.is_streaming else 0):
            *lines, rest = data.split(b"\n")
            if lines:
                lines[0] = b"".join([*incomplete, lines[0]])
                incomplete.clear()
                yield [line.decode("utf-8", "surrogateescape") for line in lines]
            incomplete.append(rest)
    if any(incomplete):
        yield [b"".join(incomplete).decode("utf-8", "surrogateescape")]


def lines_of(batch: Batch) -> bytes:
    """Return the rows as bytes, one line for each row.

    Raises:
        RowError: the text of a row contains a line end, or cannot be encoded.
    """
    texts = []
    for row in batch:
        texts.append(row if row.__class__ is str else str(row))
    text = "\n".join([*texts, ""])
    if text.count("\n") > len(batch):
        row = next(row for row, each in zip(batch, texts, strict=True) if "\n" in each)
        raise RowError(
            f"pipe writes a line for each row, but {short_repr(row)} contains a line end"
        )
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        row = batch[text.count("\n", 0, exc.start)]
        raise RowError(f"pipe writes UTF-8, and cannot encode {short_repr(row)}: {exc}") from exc


class _Command:
    """The process of a shard's command. A context manager that kills a running command on exit."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words
        self._tail = b""
        self._mark = new_mark()
        self._has_ended = False
        self._selector = selectors.DefaultSelector()
        pipe = subprocess.PIPE
        environment = {**os.environ, FAMILY_VARIABLE: self._mark}
        try:
            self._process = subprocess.Popen(
                words, 0, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
            )
        except OSError as exc:
            self._selector.close()
            raise CommandFailed(f"pipe cannot start {self._name}: {exc.strerror}") from exc

    @property
    def _name(self) -> str:
        is_shell = self._words[:2] == ("/bin/sh", "-c")
        return short_repr(self._words[-1] if is_shell else list(self._words))

    def run(self, lines: Iterator[bytes], output_timeout_s: float) -> Iterator[bytes]:
        """Feed the command and yield its standard output, piece by piece.

        Args:
            output_timeout_s: time limit for output before more lines are requested.

        Raises:
            CommandFailed: the exit status is not 0.
        """
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None and stdout is not None and stderr is not None
        for each in (stdin, stdout, stderr):
            os.set_blocking(each.fileno(), False)
        for each in (stdout, stderr):
            self._selector.register(each, selectors.EVENT_READ)
        data = memoryview(b"")  # not yet written to the pipe
        open_outputs = 2
        while open_outputs or _has_reader(stdin):
            if data or stdin.closed:
                ready = self._selector.select()
            else:
                ready = self._selector.select(output_timeout_s)
                if not ready:
                    data = self._next_lines(stdin, lines)
            for key, _ in ready:
                if key.fileobj is stdin:
                    data = self._feed(stdin, data)
                    continue
                piece = os.read(key.fd, _CHUNK_BYTES)
                if not piece:
                    self._selector.unregister(key.fileobj)
                    open_outputs -= 1
                elif key.fileobj is stdout:
                    yield piece
                else:
                    self._show(piece)
        status = self._process.wait()
        self._has_ended = True
        self._check(status)

    def _next_lines(self, stdin: IO[bytes], lines: Iterator[bytes]) -> memoryview:
        """Return the next lines to write; close the command's input after the last line."""
        data = next(lines, b"")
        if data:
            self._selector.register(stdin, selectors.EVENT_WRITE)
        else:
            stdin.close()
        return memoryview(data)

    def _feed(self, stdin: IO[bytes], data: memoryview) -> memoryview:
        """Write as much as the pipe accepts; return the rest."""
        try:
            data = data[os.write(stdin.fileno(), data) :]
        except BrokenPipeError:
            self._selector.unregister(stdin)
            stdin.close()  # the command has read enough, as `head` does
            return memoryview(b"")
        if not data:
            self._selector.unregister(stdin)
        return data

    def _show(self, piece: bytes) -> None:
        self._tail = (self._tail + piece)[-_TAIL_BYTES:]
        sys.stderr.write(piece.decode("utf-8", "replace"))

    def _check(self, status: int) -> None:
        if status == 0:
            return
        how = f"ended with exit status {status}"
        if status < 0:
            how = f"was killed by {signal_name(-status)}"
        elif status > 128 and signal_name(status - 128):
            how += f", the status of a shell after {signal_name(status - 128)}"
        last_text = self._tail.decode("utf-8", "replace").rstrip()
        if last_text:
            how += f"; its standard error ended with:\n{last_text}"
        elif status == 1:
            how += (
                ", and wrote nothing to standard error; if status 1 means that nothing was found, "
                "as for `grep`, make it a success in the shell: pipe('grep x || true')"
            )
        raise CommandFailed(f"pipe: the command {self._name} {how}")

    def __enter__(self) -> _Command:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._selector.close()
        if not self._has_ended:
            kill_family(FAMILY_VARIABLE, self._mark)
            self._process.wait()
        for each in (self._process.stdin, self._process.stdout, self._process.stderr):
            if each is not None:
                each.close()


def _has_reader(stdin: IO[bytes]) -> bool:
    """Return True while a process can read the pipe, even after the command closed its outputs."""
    if stdin.closed:
        return False
    errors = select.poll()
    errors.register(stdin, 0)
    return not errors.poll(0)
