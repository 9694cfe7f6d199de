"""Flow: where datasets begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from glowpy.flow.arguments import definition_error
from glowpy.flow.dataset import Dataset
from glowpy.flow.entry import Call, Terminal, execute, register_flow
from glowpy.flow.location import user_location
from glowpy.flow.ops.kernel import Row
from glowpy.flow.ops.source import (
    PathLike,
    add_function_source,
    add_slice,
    add_text_file,
)


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
        self._graph = register_flow(user_location(), arguments)

    def __repr__(self) -> str:
        return f"<Flow {self._graph.flow_id} ({self._graph.location})>"

    if not TYPE_CHECKING:  # a type checker has to find wrong names

        def __getattr__(self, name: str) -> Any:
            if name in ("channel", "named_channel", "start"):
                raise AttributeError(f"Flow.{name}() is not there yet; see docs/fidelity.md")
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

    def run(self) -> None:
        """Run everything defined so far that no other step reads."""
        leaves = tuple(self._graph.leaves())
        if not leaves:
            raise definition_error("run() of a flow without datasets")
        execute(Call(self._graph, leaves, Terminal.RUN))
