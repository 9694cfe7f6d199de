"""Dataset: rows in shards, and what can be done with them.

Its methods stand in one file for each family. A method loads the operators of its family when it is
called: a script starts no slower for those that it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glowpy.flow.channel_steps import ChannelSteps
from glowpy.flow.join_steps import JoinSteps
from glowpy.flow.keyed_steps import KeyedSteps
from glowpy.flow.row_steps import RowSteps
from glowpy.flow.shard_steps import ShardSteps
from glowpy.flow.terminal_calls import TerminalCalls


class Dataset(RowSteps, KeyedSteps, JoinSteps, ShardSteps, ChannelSteps, TerminalCalls):
    """Rows in shards, not computed yet. Each method gives a new dataset of the same flow.

    Functions given to `map`, `flat_map` and `filter` get the row; with two or more required
    positional parameters they get the fields of the row, which must then be a tuple or list of
    exactly that length. They run in other processes, once for each row.

    Methods raise `DefinitionError`, with the user's file and line, when they are called wrongly.
    Go: flow/dataset.go.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        step = self._graph.step_of(self._node)
        count = self._node.shard_count
        return f"<Dataset {step.describe()}, {count} shard{'s' * (count != 1)}>"

    if not TYPE_CHECKING:  # a type checker has to find wrong names

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a Dataset has no attribute {name!r}")

    @property
    def shard_count(self) -> int:
        """Number of shards, which is the number of tasks that can work on it side by side."""
        return self._node.shard_count
