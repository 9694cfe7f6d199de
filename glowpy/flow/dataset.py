"""Dataset: rows in shards, and the operators on them.

The methods are grouped by family, one file each. A method loads its operators when called, so that
a script does not pay for the others at its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glowpy.errors import NotComputed, short_repr
from glowpy.flow.arguments import definition_error
from glowpy.flow.channel_steps import ChannelSteps
from glowpy.flow.entry import plan_of
from glowpy.flow.join_steps import JoinSteps
from glowpy.flow.keyed_steps import KeyedSteps
from glowpy.flow.location import user_location
from glowpy.flow.row_steps import RowSteps
from glowpy.flow.shard_steps import ShardSteps
from glowpy.flow.terminal_calls import TerminalCalls


class Dataset(RowSteps, KeyedSteps, JoinSteps, ShardSteps, ChannelSteps, TerminalCalls):
    """Rows in shards, computed by a run. Each operator returns a new dataset of the same flow.

    The functions passed to `map`, `flat_map` and `filter` get the row. With two or more required
    positional parameters they get the fields of the row, a tuple or list of exactly that length;
    with a `*parameter` they get the fields of a tuple or list of any length. They run in other
    processes, once for each row.

    Methods raise `DefinitionError`, with the user's file and line, when called wrongly. A dataset
    is not a container: container operations (`for`, `len`, `[]`, `+`) raise `NotComputed`, which
    names the call to use instead. A dataset is always true, whether or not it will have rows. Go:
    flow/dataset.go.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        step = self._graph.step_of(self._node)
        count = self._node.shard_count
        return f"<Dataset {step.describe()}, {count} shard{'s' * (count != 1)}>"

    if not TYPE_CHECKING:  # hidden from type checkers, which must report wrong names

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a Dataset has no attribute {name!r}")

        def __iter__(self) -> Any:
            raise _not_computed(
                "a Dataset holds no rows that one could go through: collect() computes them and "
                "returns a list; add_output() and start() send them to a Channel"
            )

        def __contains__(self, row: object) -> Any:
            self.__iter__()  # raised here, because Python would replace our message by its own

        def __len__(self) -> Any:
            raise _not_computed("a Dataset has no length: count() computes the number of rows")

        def __bool__(self) -> bool:
            return True  # without this method, `bool` would call __len__

        def __getitem__(self, key: object) -> Any:
            if isinstance(key, (int, slice)):
                raise _not_computed(
                    "a Dataset holds no rows to pick from: take(n) computes the first n, collect() "
                    "all of them, and returns a list"
                )
            raise _not_computed(
                "a Dataset holds no rows, and its rows have no columns: "
                f"map(lambda row: row[{short_repr(key)}]) selects a field of each row"
            )

        def __add__(self, _other: object) -> Any:
            raise _not_computed(
                "datasets cannot be added: a.union(b, c) has the rows of all of them, and a.join(b)"
                " their fields side by side"
            )

        __radd__ = __or__ = __ror__ = __add__

    @property
    def shard_count(self) -> int:
        """Number of shards, and so the number of tasks that can read the dataset in parallel."""
        return self._node.shard_count

    def explain(self) -> str:
        """Return the plan of `collect()` as text, as `-glow.flow.explain` prints it.

        >>> print(Flow().slice("abc").explain().partition(";")[0])
        1 step in 1 step group, 1 task group in all
        """
        return plan_of(self._graph, self._node, "text")

    def plot(self, kind: Literal["steps", "groups"] = "steps") -> str:
        """Return the plan of `collect()` in the DOT language of graphviz.

        In a notebook the value is shown as a picture if graphviz's `dot` is installed.

        Args:
            kind: "steps": one node per step, as the run executes it, with the number of its tasks
                and the line of its definition; "groups": all task groups, as Glow draws them.

        Raises:
            PlanTooLarge: a picture of "groups" would have more than 2,000 nodes.
        """
        if kind not in ("steps", "groups"):
            raise definition_error(f'plot() takes "steps" or "groups", not {kind!r:.100}')
        return plan_of(self._graph, self._node, kind)

    def _repr_mimebundle_(self, **_kinds: object) -> dict[str, str]:
        """What a notebook shows: a picture of the steps, or the plan as text without graphviz."""
        from glowpy.notebook import is_notebook

        if not is_notebook():
            return {}  # a terminal shows the repr
        picture = plan_of(self._graph, self._node, "svg")
        if picture:
            return {"text/plain": repr(self), "image/svg+xml": picture}
        return {"text/plain": f"{self!r}\n{self.explain()}"}


def _not_computed(text: str) -> NotComputed:
    return NotComputed(f"{user_location()}: {text}")
