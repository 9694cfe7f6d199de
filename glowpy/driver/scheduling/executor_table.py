"""The executors of a run, by their capacity for further work."""

from __future__ import annotations

from collections import Counter

from glowpy.driver.scheduling.attempts import Executor
from glowpy.driver.scheduling.free_executors import Agent, FreeExecutors
from glowpy.locality import Place


class ExecutorTable:
    """The executors of a run; makes no decisions.

    Attributes:
        idle: executors that hold nothing.
        single: executors with one attempt that is not early, and an empty queue.
        leaving: executors that get no more work.
        dismissed: leaving executors without work.
    """

    def __init__(self) -> None:
        self.executors: dict[str, Executor] = {}
        self.idle = FreeExecutors()
        self.single = FreeExecutors()
        self.leaving: dict[str, Executor] = {}
        self.dismissed: list[Executor] = []
        self._agents: dict[str, Agent] = {}

    def join(self, name: str, agent: str, place: Place, cpu_level: int) -> Executor:
        """Add an executor."""
        at = self._agents.get(agent)
        if at is None:
            at = self._agents[agent] = Agent(agent, place, cpu_level, len(self._agents))
        executor = self.executors[name] = Executor(name, at)
        self.idle.add(name, at)
        return executor

    def leave(self, name: str) -> Executor | None:
        """Remove an executor."""
        executor = self.executors.pop(name, None)
        if executor is not None:
            self.idle.discard(name)
            self.single.discard(name)
            self.leaving.pop(name, None)
        return executor

    def dismiss(self, executor: Executor) -> None:
        """Stop giving work to an executor."""
        executor.is_leaving = True
        self.leaving[executor.name] = executor
        self.place(executor)

    def keep(self, executor: Executor) -> None:
        """Let a leaving executor stay."""
        executor.is_leaving = False
        del self.leaving[executor.name]
        self.place(executor)

    def place(self, executor: Executor) -> None:
        """Sort an executor into the tables for its amount of work."""
        name, held = executor.name, executor.held
        stays = not executor.is_leaving
        for free, belongs in (
            (self.idle, stays and not held),
            # Nothing is queued behind an early attempt, which may have to wait for that very group.
            (self.single, stays and len(held) == 1 and not held[0].is_pipelined),
        ):
            if belongs and name not in free:
                free.add(name, executor.agent)
            elif not belongs:
                free.discard(name)
        if executor.is_leaving and not executor.attempts:
            self.dismissed.append(executor)

    def load(self, agent: Agent, more: int) -> None:
        """Change the number of attempts held by the executors of an agent."""
        agent.load += more
        self.idle.load_changed(agent)
        self.single.load_changed(agent)

    def check_invariants(self) -> None:
        """For tests. Raises: AssertionError."""
        loads = Counter(each.agent for each in self.executors.values() for _ in each.attempts)
        for name, executor in self.executors.items():
            leaves, holds = executor.is_leaving, executor.held
            assert leaves == (name in self.leaving), f"{name} leaves or not?"
            assert (name in self.idle) == (not holds and not leaves), f"{name} idles or not?"
            may_queue = len(holds) == 1 and not holds[0].is_pipelined and not leaves
            assert (name in self.single) == may_queue, f"{name} holds one or not?"
            assert executor.agent.load == loads[executor.agent], f"{name} is counted wrongly"
        assert not {*self.idle, *self.single, *self.leaving} - set(self.executors), "the dead work"
