"""The inputs of task groups, and their locations.

All readers of a boundary read from the same attempts, so their locations are computed once for all
readers, and again only after one of the attempts changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count

from glowpy.driver.scheduling.attempts import Attempt
from glowpy.driver.scheduling.market import Origin
from glowpy.flow.graph import OutputKind
from glowpy.locality import Place
from glowpy.planner.plan import InputEdge, Plan, shards_read, writer_of
from glowpy.record import NamedTuple
from glowpy.wire.shard_locations import ShardLocations


class _Boundary(NamedTuple):
    """The locations shared by all readers of a boundary."""

    number: int  # unique
    sources: ShardLocations
    places: Counter[Place]


class Inputs:
    """The locations of the inputs of one run's groups.

    Args:
        current: attempts by group.
        store_owner: address of the driver's own store with the rows of slices, where a dataset's
            number serves as its attempt number. As in Glow, no executor is near to the store or far
            from it.
    """

    def __init__(self, plan: Plan, current: Mapping[int, Attempt], store_owner: str) -> None:
        self._plan = plan
        self._current = current
        self._store_owner = store_owner
        self._numbers = count()
        # by source step group, then by first shard and number of shards
        self._boundaries: dict[int, dict[tuple[int, int], _Boundary]] = {}

    def changed(self, step_group: int) -> None:
        """Drop the locations of a step group that lost an attempt."""
        self._boundaries.pop(step_group, None)

    def sources(self, group: int) -> tuple[ShardLocations, ...]:
        """Return the shards read by a group, by input edge."""
        _plan, _number, step_group, task = self._plan.task_group(group)
        return tuple([self._of_edge(edge, task) for edge in step_group.inputs])

    def origin(self, group: int) -> Origin:
        """Return the locations of a group's inputs, for the market."""
        _plan, _number, step_group, task = self._plan.task_group(group)
        key: list[object] = []
        for edge in step_group.inputs:
            if edge.source < 0:
                continue
            numbers = shards_read(edge, task)
            if len(numbers) > 1:
                key.append(self._boundary(edge, numbers).number)
            else:
                key += [self._writer(edge, number).agent for number in numbers]
        return Origin(tuple(key), lambda: self._places(group))

    def _places(self, group: int) -> Iterable[tuple[Place, int]]:
        _plan, _number, step_group, task = self._plan.task_group(group)
        places: Counter[Place] = Counter()
        for edge in step_group.inputs:
            if edge.source < 0:
                continue
            numbers = shards_read(edge, task)
            if len(numbers) > 1:
                places += self._boundary(edge, numbers).places
            else:
                places.update(self._writer(edge, number).agent.place for number in numbers)
        return places.items()

    def _of_edge(self, edge: InputEdge, task: int) -> ShardLocations:
        numbers = shards_read(edge, task)
        if edge.source < 0:
            store = self._store_owner, edge.dataset.id
            return ShardLocations.of(numbers.start, [store] * len(numbers))
        if len(numbers) > 1:
            shared = self._boundary(edge, numbers).sources
            return ShardLocations(numbers.start, shared.owners, shared.writers)
        writers = (self._writer(edge, number) for number in numbers)
        return ShardLocations.of(
            numbers.start, [(each.agent.name, each.number) for each in writers]
        )

    def _writer(self, edge: InputEdge, number: int) -> Attempt:
        return self._current[writer_of(self._plan.step_groups[edge.source], number)]

    def _boundary(self, edge: InputEdge, numbers: range) -> _Boundary:
        source = self._plan.step_groups[edge.source]
        # Each task of the source writes a part for each reader, so all readers share the writers.
        is_common = source.output.output_kind is not OutputKind.ONE_SHARD and (
            len(numbers) == source.task_count
        )
        key = 0 if is_common else numbers.start, len(numbers)
        boundaries = self._boundaries.setdefault(edge.source, {})
        found = boundaries.get(key)
        if found is None:
            writers = [self._current[writer_of(source, number)] for number in numbers]
            found = boundaries[key] = _Boundary(
                next(self._numbers),
                ShardLocations.of(key[0], [(each.agent.name, each.number) for each in writers]),
                Counter(each.agent.place for each in writers),
            )
        return found
