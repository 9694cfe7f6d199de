"""Flow: the sources of datasets, and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from glowpy.flow.arguments import definition_error
from glowpy.flow.dataset import Dataset
from glowpy.flow.entry import Call, RunHandle, Terminal, execute, register_flow, start
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Row
from glowpy.flow.ops.source import (
    PathLike,
    add_function_source,
    add_slice,
    add_text_file,
)

if TYPE_CHECKING:
    from glowpy.channel import Channel


class Flow:
    """A static dataflow: sources, derived datasets, and runs. Go: flow/context.go.

    Args:
        arguments: flags instead of the script's own command line, for notebooks and tests:
            `Flow(["-glow", "-glow.leader=host:8930"])`.

    Raises:
        FlagError: the flags cannot be understood.
    """

    __slots__ = ("_graph",)

    def __init__(self, arguments: Sequence[str] | None = None) -> None:
        if isinstance(arguments, str):
            raise definition_error(f"Flow() takes a list of flags: Flow([{arguments!r}])")
        flags = None if arguments is None else list(arguments)
        for flag in flags or ():
            if not isinstance(flag, str):
                raise definition_error(f"Flow() takes flags as text, not {flag!r}")
        self._graph = register_flow(user_location(), flags)

    def __repr__(self) -> str:
        return f"<Flow {self._graph.flow_id} ({self._graph.location})>"

    if not TYPE_CHECKING:  # hidden from type checkers, which must report wrong names

        def __getattr__(self, name: str) -> Any:
            from glowpy.flow.other_words import no_attribute

            is_of_datasets = not name.startswith("_") and hasattr(Dataset, name)
            elsewhere = (
                f"{name} is an attribute of its datasets, as flow.slice(rows, n) returns one"
            )
            raise no_attribute("a Flow", name, dir(Flow), elsewhere if is_of_datasets else "")

    def text_file(
        self,
        path: PathLike | Iterable[PathLike],
        shards: int,
        encoding: str = "utf-8",
        errors: str = "strict",
    ) -> Dataset:
        """Lines of text files, without line ends.

        A line ends at `\n`; one `\r` before the line end is dropped. `path` is a path, a glob or a
        list of both; all files together are split by byte ranges into `shards` shards. A file
        ending in `.gz` is decompressed and read by one shard alone. The driver lists the files
        once; a file that changes while the flow runs is an error. Go: flow/dataset_source.go.

        Raises (when it runs):
            InputError: a file is missing, has changed, or cannot be decoded; names file and byte.
        """
        return Dataset(self._graph, add_text_file(self._graph, path, shards, encoding, errors))

    def source(self, function: Callable[[], Iterable[Row]], shards: int) -> Dataset:
        """Rows yielded by a function, called once in one task and dealt round robin to the shards.

        >>> sorted(Flow().source(lambda: range(5), 2).collect())
        [0, 1, 2, 3, 4]

        Go: flow/dataset_source.go.
        """
        return Dataset(self._graph, add_function_source(self._graph, function, shards))

    def slice(self, rows: Iterable[Row], shards: int = 1) -> Dataset:
        """Rows of the driver program, in contiguous shards.

        >>> Flow().slice(["a", "b"], shards=2).collect()
        ['a', 'b']

        Go: flow/dataset_source.go.
        """
        return Dataset(self._graph, add_slice(self._graph, rows, shards))

    def channel(self, channel: Channel, shards: int = 1, broadcast: bool = False) -> Dataset:
        """Rows sent by the driver program while the flow runs, until the channel is closed.

        The rows are dealt round robin to the shards; with `broadcast`, each shard gets every row.
        The driver stores them on disk until the run ends, so that lost work can be repeated.
        `Dataset.add_output` sends rows back. Go: flow/dataset_source.go.

        >>> numbers = Channel()
        >>> squares = Flow().channel(numbers).map(lambda x: x * x)
        >>> with numbers:
        ...     numbers.send(3)
        >>> squares.collect()
        [9]
        """
        from glowpy.flow.ops.channels import add_channel

        return Dataset(self._graph, add_channel(self._graph, channel, shards, broadcast))

    def named_channel(self, name: str, shards: int = 1, broadcast: bool = False) -> Dataset:
        """Lines of a named channel at an agent, written by `glowpy send --to NAME`.

        The master named by `-glow.leader` knows the agent; the flow waits until the channel exists.
        """
        from glowpy.flow.ops.channels import add_named_channel

        return Dataset(self._graph, add_named_channel(self._graph, name, shards, broadcast))

    def run(self) -> None:
        """Run every dataset defined so far that no other step reads.

        With input channels the run ends after they are closed, so other threads have to send the
        rows; `start` is the alternative.
        """
        execute(self._call("run"))

    def start(self) -> RunHandle:
        """Start a `run` in the background and return, so that the program can send and receive.

        The returned handle has `wait()`, `cancel()` and `is_running`. A run still in progress at
        the end of the program is cancelled. Code below `start()` never runs in a task.

        Raises:
            GlowError: the run cannot begin.
        """
        return start(self._call("start"))

    def _call(self, method: str) -> Call:
        leaves = tuple(self._graph.leaves())
        if not leaves:
            raise definition_error(
                f"{method}() of a flow without datasets; begin with text_file(), source(), slice() "
                "or channel()"
            )
        return Call(graph=self._graph, datasets=leaves, terminal=Terminal.RUN)
