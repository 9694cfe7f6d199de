"""The retry limits of a run: counts losses, and ends the run at a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from glowpy.errors import ExecutorsDied, ShardError
from glowpy.planner.plan import Plan
from glowpy.wire.address import is_place

_OF_SHARDS = 3  # relative to the limit of executor deaths under a group


class RetryBudget:
    """Counts losses; each method returns the error that ends the run, or None.

    Args:
        most_deaths: limit of attempts of a group that end with the death of their executor.
        most_agents: limit of attempts of a group that end with the loss of their agent.
    """

    def __init__(self, plan: Plan, most_deaths: int, most_agents: int) -> None:
        self._plan = plan
        self._most_deaths = most_deaths
        self._most_agents = most_agents
        self._deaths: dict[int, list[str]] = {}  # causes, by group
        self._startup_deaths: list[str] = []
        self._agent_losses: dict[int, list[str]] = {}  # causes and agents, by running group
        self._inputs: Counter[int] = Counter()  # by reading group
        self._shards: Counter[int] = Counter()  # by writing group

    def begun(self) -> None:
        """Reset the count of deaths at the start, because an executor has started a group."""
        self._startup_deaths.clear()

    def idle_died(self, cause: str) -> ExecutorsDied | None:
        """Count the death of an executor before its first group."""
        causes = self._startup_deaths
        causes.append(cause)
        if len(causes) < self._most_deaths:
            return None
        count = len(causes)
        return ExecutorsDied(f"{count} executors died before they ran anything: {_counted(causes)}")

    def died(self, group: int, cause: str, agent: str, last_row: str) -> ExecutorsDied | None:
        """Count the death of an executor while it ran a group."""
        causes = self._deaths.setdefault(group, [])
        causes.append(f"{cause}{_where(agent)}")
        if len(causes) < self._most_deaths:
            return None
        text = (
            f"{self._label(group)} killed its executor at each of {len(causes)} tries: "
            + _counted(causes)
        )
        if last_row:
            text += f"\nthe last row that it took: {last_row}"
        return ExecutorsDied(text)

    def agent_lost(self, group: int, cause: str, agent: str, last_row: str) -> ExecutorsDied | None:
        """Count the loss of an agent while one of its executors ran the group."""
        causes = self._agent_losses.setdefault(group, [])
        causes.append(f"{agent}: {cause}")
        if len(causes) < self._most_agents:
            return None
        row = last_row or "not reported before the loss of its agent"
        return ExecutorsDied(
            f"{self._label(group)} was running at the loss of its agent in each of "
            f"{len(causes)} attempts: {_counted(causes)}\nthe last row that it took: {row}"
        )

    def is_last_attempt(self, group: int) -> bool:
        """Return True if another death of an executor, or loss of an agent, would end the run."""
        deaths, losses = len(self._deaths.get(group, ())), len(self._agent_losses.get(group, ()))
        return 0 < deaths == self._most_deaths - 1 or 0 < losses == self._most_agents - 1

    def input_missed(self, group: int, reason: str) -> ShardError | None:
        """Count a lost input of a group."""
        self._inputs[group] += 1
        if self._inputs[group] <= _OF_SHARDS * self._most_deaths:
            return None
        label, times = self._label(group), self._inputs[group]
        return ShardError(f"{label} lost an input {times} times, at last: {reason}")

    def shard_lost(self, group: int, reason: str) -> ShardError | None:
        """Count unreadable output of a group."""
        self._shards[group] += 1
        if self._shards[group] <= _OF_SHARDS * self._most_deaths:
            return None
        label, times = self._label(group), self._shards[group]
        return ShardError(f"what {label} writes could not be read {times} times, at last: {reason}")

    def cannot_repeat(self, group: int, readers: Iterable[int]) -> ShardError | None:
        """Return the error if the group cannot run again after these readers read its output."""
        if not self._plan.has_streaming_groups or not self._plan.is_unsteady(group):
            return None
        for reader in readers:
            return ShardError(
                f"{self._label(group)} took rows of a channel as they came, and is lost: "
                f"done again, it could give others than {self._label(reader)} has read"
            )
        return None

    def _label(self, group: int) -> str:
        return self._plan.task_group(group).label


def _counted(causes: list[str]) -> str:
    """Return the causes as text, with the number of equal ones."""
    counts = Counter(causes)
    return "; ".join(f"{cause} ({n} times)" if n > 1 else cause for cause, n in counts.items())


def _where(agent: str) -> str:
    return f" at {agent}" if is_place(agent) else ""
