"""Flow: where datasets begin."""

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
    """A static dataflow: sources, the datasets made from them, and runs. Go: flow/context.go.

    Args:
        arguments: flags to use instead of the script's own command line, for notebooks and tests:
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

    if not TYPE_CHECKING:  # a type checker has to find wrong names

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a Flow has no attribute {name!r}")

    def text_file(
        self,
        path: PathLike | Iterable[PathLike],
        shards: int,
        encoding: str = "utf-8",
        errors: str = "strict",
    ) -> Dataset:
        r"""Lines of text, without their ends.

        A line ends at `\n`; one `\r` before it is dropped. `path` is a path, a glob or a list of
        them; all files together are split by byte ranges into `shards` shards. Files ending in
        `.gz` are decompressed, and each is read whole by one shard. The driver lists the files
        once; a file that changes while the flow runs is an error. Go: flow/dataset_source.go.

        Raises (when it runs):
            InputError: a file is missing, has changed, or cannot be decoded; names file and byte.
        """
        return Dataset(self._graph, add_text_file(self._graph, path, shards, encoding, errors))

    def source(self, function: Callable[[], Iterable[Row]], shards: int) -> Dataset:
        """Rows that the function yields, called once in one task, dealt round robin to the shards.

        >>> sorted(Flow().source(lambda: range(5), 2).collect())
        [0, 1, 2, 3, 4]

        Go: flow/dataset_source.go.
        """
        return Dataset(self._graph, add_function_source(self._graph, function, shards))

    def slice(self, rows: Iterable[Row], shards: int = 1) -> Dataset:
        """Rows that the driver program already has, in contiguous shards.

        >>> Flow().slice(["a", "b"], shards=2).collect()
        ['a', 'b']

        Go: flow/dataset_source.go.
        """
        return Dataset(self._graph, add_slice(self._graph, rows, shards))

    def channel(self, channel: Channel, shards: int = 1, broadcast: bool = False) -> Dataset:
        """Rows that the driver program sends while the flow runs, until it closes the channel.

        They are dealt round robin to the shards; with `broadcast`, each shard gets all of them.
        The driver keeps them on disk until the run ends, so that work which is lost is done again.
        See `Dataset.add_output` for how rows come back. Go: flow/dataset_source.go.

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
        """Lines of the channel of that name at an agent, written by `glowpy send --to NAME`.

        The master that `-glow.leader` names knows where it is; the flow waits for it to appear.
        """
        from glowpy.flow.ops.channels import add_named_channel

        return Dataset(self._graph, add_named_channel(self._graph, name, shards, broadcast))

    def run(self) -> None:
        """Run everything defined so far that no other step reads.

        With input channels it ends after they are closed, so others have to feed them: threads, or
        see `start`.
        """
        execute(self._call("run"))

    def start(self) -> RunHandle:
        """Begin what `run` does and return: the program goes on, to send and receive rows.

        The handle that it gives has `wait()`, `cancel()` and `is_running`. A run that still goes on
        when the program ends is cancelled. Nothing below `start()` runs in a task.

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
        return Call(self._graph, leaves, Terminal.RUN)
