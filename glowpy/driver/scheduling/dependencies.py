"""Tracks which task groups have all inputs: counters, and a barrier per boundary between steps.

A boundary of m producers and n consumers is one counter of unmarked producers, never m · n objects:
marking the last producer visits every consumer once, marking the others visits none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from glowpy.flow.graph import EdgeKind
from glowpy.planner.plan import InputEdge, Plan, StepGroup, TaskGroup


class DependencyTracker:
    """Tracks marks on task groups; a group is satisfied when all its producers are marked."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._unmarked = [step_group.task_count for step_group in plan.step_groups]
        self._marked = bytearray(plan.group_count)
        self._missing = [0] * plan.group_count
        self._consumers: list[list[tuple[StepGroup, InputEdge]]] = [[] for _ in plan.step_groups]
        for step_group in plan.step_groups:
            for edge in step_group.inputs:
                if edge.source < 0:
                    continue
                self._consumers[edge.source].append((step_group, edge))
                for group in _waiting(edge, step_group, plan.step_groups[edge.source]):
                    self._missing[group] += 1

    def is_satisfied(self, group: int) -> bool:
        return self._missing[group] == 0

    def satisfied(self) -> Iterator[int]:
        """Return every satisfied group."""
        return (group for group, missing in enumerate(self._missing) if missing == 0)

    def mark(self, group: int) -> list[int]:
        """Mark a group; return the groups satisfied by the mark."""
        if self._marked[group]:
            return []
        self._marked[group] = 1
        of = self._plan.task_group(group)
        self._unmarked[of.step_group.number] -= 1
        found = []
        for consumer in self._affected(of, was_complete=False):
            self._missing[consumer] -= 1
            if self._missing[consumer] == 0:
                found.append(consumer)
        return found

    def unmark(self, group: int) -> list[int]:
        """Remove a mark; return the groups that are no longer satisfied."""
        if not self._marked[group]:
            return []
        self._marked[group] = 0
        of = self._plan.task_group(group)
        was_complete = self._unmarked[of.step_group.number] == 0
        self._unmarked[of.step_group.number] += 1
        found = []
        for consumer in self._affected(of, was_complete=was_complete):
            self._missing[consumer] += 1
            if self._missing[consumer] == 1:
                found.append(consumer)
        return found

    def consumers(self, group: int) -> Iterator[int]:
        """Yield every group that reads the output of `group`."""
        of = self._plan.task_group(group)
        for step_group, edge in self._consumers[of.step_group.number]:
            if edge.is_pairwise:
                yield from _pair(edge, step_group, of.task)
            else:
                yield from step_group.groups

    def readers(self, groups: Iterable[int]) -> Iterable[int]:
        """Return every group that reads any output of `groups`, once."""
        found: dict[int, None] = {}
        crossed: set[tuple[int, int]] = set()
        for group in groups:
            of = self._plan.task_group(group)
            for step_group, edge in self._consumers[of.step_group.number]:
                boundary = of.step_group.number, step_group.number
                if edge.is_pairwise:
                    found.update(dict.fromkeys(_pair(edge, step_group, of.task)))
                elif boundary not in crossed:
                    crossed.add(boundary)
                    found.update(dict.fromkeys(step_group.groups))
        return found

    def _affected(self, of: TaskGroup, *, was_complete: bool) -> Iterator[int]:
        number = of.step_group.number
        crosses_barrier = was_complete or self._unmarked[number] == 0
        for consumer, edge in self._consumers[number]:
            if edge.is_pairwise:
                yield from _pair(edge, consumer, of.task)
            elif crosses_barrier:
                yield from consumer.groups


def _pair(edge: InputEdge, consumer: StepGroup, task: int) -> Iterator[int]:
    """Yield the group that reads the output of a task over a pairwise edge."""
    reader = task + edge.edge.offset if edge.edge.kind is EdgeKind.OFFSET else task
    if 0 <= reader < consumer.task_count:
        yield consumer.first_group + reader


def _waiting(edge: InputEdge, consumer: StepGroup, source: StepGroup) -> Iterator[int]:
    """Yield the groups that wait for this edge: all readers, or all groups at a barrier."""
    if not edge.is_pairwise:
        yield from consumer.groups
        return
    for task in range(source.task_count):
        yield from _pair(edge, consumer, task)
