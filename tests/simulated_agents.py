"""Simulated agents, executors and network for the scheduler, with delays and losses everywhere.

Messages between the scheduler and one agent keep their order, as on a connection; events at
different agents happen in any order. `choose` picks the next event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from glowpy.driver.scheduling import events as do
from glowpy.driver.scheduling.scheduler import Scheduler
from glowpy.locality import Place
from glowpy.planner.plan import Plan

STORE = "store"
Step = Callable[[], None]


@dataclass
class _Executor:
    name: str
    queue: deque[do.Assign] = field(default_factory=deque)
    running: do.Assign | None = None
    live: list[do.Assign] = field(default_factory=list)  # streaming attempts, beside `running`


@dataclass
class _Agent:
    name: str
    inbox: deque[Any] = field(default_factory=deque)  # actions in transit
    outbox: deque[Any] = field(default_factory=deque)  # events in transit
    executors: dict[str, _Executor] = field(default_factory=dict)
    written: dict[int, str] = field(default_factory=dict)  # attempt -> "running", "sealed", "lost"


class World:
    """A scheduler and its agents. `steps()` lists possible next events; the caller picks one."""

    def __init__(
        self,
        plan: Plan,
        *,
        most_executors: int,
        agents: int,
        faults: int,
        speculates: bool = False,
    ) -> None:
        self.scheduler = Scheduler(
            plan,
            lost_attempts=1000,
            lost_agents=1000,
            store_owner=STORE,
            speculates=speculates,
        )
        self.now = 0.0
        self.ticks_left = 20 if speculates else 0
        self.speculative: set[int] = set()
        self.plan = plan
        self.agents = {f"a{number}": _Agent(f"a{number}") for number in range(agents)}
        self.faults_left = faults
        self.most_executors = self.share = most_executors
        self.demand = 0
        self.launched = 0
        self.done: dict[int, int] = {}  # group -> attempt
        self.runs: dict[int, int] = {}  # group -> attempts begun
        self.begun: set[int] = set()  # attempts
        self.is_finished = False
        self.log: list[str] = []
        self._carry_out(self.scheduler.start())

    def steps(self) -> list[Step]:
        """All possible next events; an empty list is a standstill."""
        found: list[Step] = []
        living = sum(len(agent.executors) for agent in self.agents.values())
        if self.share < self.most_executors:
            found.append(partial(self._change_share, self.most_executors))
        if self.demand and living < min(self.most_executors, self.share) and self.agents:
            found += [partial(self._launch, agent) for agent in self.agents.values()]
        for agent in self.agents.values():
            if agent.inbox:
                found.append(partial(self._deliver, agent))
            if agent.outbox:
                found.append(partial(self._report, agent))
            for executor in agent.executors.values():
                if executor.running is None and executor.queue:
                    found.append(partial(self._begin, agent, executor))
                elif executor.running is not None and self._can_end(executor.running):
                    found.append(partial(self._end, agent, executor))
                found += [
                    partial(self._end, agent, executor, live)
                    for live in executor.live
                    if self._can_end(live)
                ]
        if self.ticks_left and not self.is_finished:
            found.append(self._pass_time)
        if self.scheduler.wants_streaming_hosts and not found:
            found.append(partial(self._handle, do.FleetSettled()))
        if self.is_finished:
            found += [partial(self._handle, do.ShardLost(n)) for n in self._unreadable()]
        return found

    def _unreadable(self) -> list[int]:
        """Attempts that the driver has to read and cannot."""
        wanted = {
            group
            for step_group in self.plan.step_groups
            if step_group.is_stored and step_group.output in self.plan.targets
            for group in step_group.groups
        }
        living = {n: state for a in self.agents.values() for n, state in a.written.items()}
        attempts = [n for group, n in self.done.items() if group in wanted]
        return [number for number in attempts if living.get(number) != "sealed"]

    def faults(self) -> list[Step]:
        """All faults that are possible now."""
        if not self.faults_left or self.is_finished:
            return []
        found: list[Step] = [partial(self._squeeze, count) for count in range(self.most_executors)]
        for agent in self.agents.values():
            if len(self.agents) > 1:
                found.append(partial(self._lose_agent, agent))
            found.append(partial(self._lose_for_a_while, agent))
            for executor in agent.executors.values():
                found.append(partial(self._kill, agent, executor))
        for group, attempt in self.done.items():
            if self.plan.step_group_of(group).is_stored:
                found.append(partial(self._lose_shard, attempt))
        return found

    def _handle(self, event: Any) -> None:
        self.log.append(f"-> {event}")
        self.now += 1.0
        actions = self.scheduler.handle(event, self.now)
        self.scheduler.check_invariants()
        self._carry_out(actions)

    def _carry_out(self, actions: list[Any]) -> None:
        for action in actions:
            self.log.append(f"   {action}")
            if isinstance(action, do.Demand):
                self.demand = action.executor_count
            elif isinstance(action, do.GroupDone):
                assert action.group not in self.done, "done twice"
                self.done[action.group] = action.attempt
            elif isinstance(action, do.GroupUndone):
                del self.done[action.group]
                self.is_finished = False
            elif isinstance(action, do.Finished):
                self.is_finished = True
            elif isinstance(action, do.Failed):
                raise AssertionError(f"the run failed: {action.error}")
            else:
                if isinstance(action, do.Assign):
                    self._check_assign(action)
                for agent in self.agents.values():
                    if any(action.executor == name for name in agent.executors):
                        agent.inbox.append(action)

    def _check_assign(self, assign: do.Assign) -> None:
        """Assert that no input of an assignment is an incomplete speculative attempt."""
        state = self.scheduler._state
        speculative = {each.number for each in state.speculative.values()}
        if assign.attempt in speculative:
            self.speculative.add(assign.attempt)
        for edge in assign.inputs:
            assert speculative.isdisjoint(attempt for _owner, attempt, _shard in edge.shards())

    # --- events ---

    def _pass_time(self) -> None:
        self.ticks_left -= 1
        self.now += 100.0
        self._handle(do.TimePassed())

    def _launch(self, agent: _Agent) -> None:
        self.launched += 1
        name = f"e{self.launched}"
        agent.executors[name] = _Executor(name)
        number = int(agent.name[1:])
        place = Place(f"dc{number // 2}", f"r{number % 2}", agent.name)
        self._handle(do.ExecutorJoined(name, agent.name, place, 1 + number % 2))

    def _deliver(self, agent: _Agent) -> None:
        action = agent.inbox.popleft()
        executor = agent.executors.get(action.executor)
        if executor is None:
            return  # the executor died while the action was in transit
        if isinstance(action, do.Assign) and action.is_streaming:
            executor.live.append(action)
            self._begun(agent, action)
        elif isinstance(action, do.Assign):
            executor.queue.append(action)
        elif isinstance(action, do.Retire):
            holds = executor.queue or executor.running or executor.live
            assert not holds, "an executor with work is retired"
            del agent.executors[executor.name]
        elif isinstance(action, do.Recall):
            if self._unqueue(executor, action.attempt):
                agent.outbox.append(do.Recalled(executor.name, action.attempt))
        elif self._unqueue(executor, action.attempt):
            agent.outbox.append(do.GroupAborted(action.attempt))
        elif any(live.attempt == action.attempt for live in executor.live):
            agent.written[action.attempt] = "lost"
            executor.live = [live for live in executor.live if live.attempt != action.attempt]
            agent.outbox.append(do.GroupAborted(action.attempt))
        elif executor.running is not None and executor.running.attempt == action.attempt:
            agent.written[action.attempt] = "lost"
            executor.running = None
            agent.outbox.append(do.GroupAborted(action.attempt))

    def _unqueue(self, executor: _Executor, attempt: int) -> bool:
        for assign in executor.queue:
            if assign.attempt == attempt:
                executor.queue.remove(assign)
                return True
        return False

    def _report(self, agent: _Agent) -> None:
        self._handle(agent.outbox.popleft())

    def _begin(self, agent: _Agent, executor: _Executor) -> None:
        executor.running = assign = executor.queue.popleft()
        self._begun(agent, assign)

    def _begun(self, agent: _Agent, assign: do.Assign) -> None:
        assert assign.attempt not in self.begun, "an attempt runs twice"
        self.begun.add(assign.attempt)
        agent.written[assign.attempt] = "running"
        self.runs[assign.group] = self.runs.get(assign.group, 0) + 1
        agent.outbox.append(do.GroupStarted(assign.attempt))

    def _states(self, assign: do.Assign) -> set[tuple[str, int]]:
        return {
            (self._state(owner, attempt), attempt)
            for edge in assign.inputs
            for owner, attempt, _shard in edge.shards()
        }

    def _state(self, owner: str, attempt: int) -> str:
        if owner == STORE:
            return "sealed"
        agent = self.agents.get(owner)
        return "lost" if agent is None else agent.written.get(attempt, "lost")

    def _can_end(self, assign: do.Assign) -> bool:
        states = {state for state, _attempt in self._states(assign)}
        return "running" not in states or "lost" in states

    def _end(self, agent: _Agent, executor: _Executor, live: do.Assign | None = None) -> None:
        assign = live or executor.running
        assert assign is not None
        if live is not None:
            executor.live.remove(live)
        else:
            executor.running = None
        lost = [attempt for state, attempt in self._states(assign) if state == "lost"]
        if lost:
            agent.written[assign.attempt] = "lost"
            agent.outbox.append(do.InputLost(assign.attempt, min(lost), "gone"))
        else:
            agent.written[assign.attempt] = "sealed"
            agent.outbox.append(do.GroupSealed(assign.attempt))

    def _change_share(self, count: int) -> None:
        """Change the share of executors, as the demand of other drivers does."""
        self.share = count
        self._handle(do.ShareChanged(count))

    # --- faults ---

    def _squeeze(self, count: int) -> None:
        self.faults_left -= 1
        self._change_share(count)

    def _lose_agent(self, agent: _Agent) -> None:
        self.faults_left -= 1
        del self.agents[agent.name]
        self._handle(do.AgentLost(agent.name, "silent"))

    def _lose_for_a_while(self, agent: _Agent) -> None:
        """The agent is used again, without its previous shards."""
        self._lose_agent(agent)
        self.agents[agent.name] = _Agent(agent.name)

    def _kill(self, agent: _Agent, executor: _Executor) -> None:
        self.faults_left -= 1
        del agent.executors[executor.name]
        for assign in filter(None, [executor.running, *executor.live]):
            agent.written[assign.attempt] = "lost"
        agent.outbox.append(do.ExecutorLeft(executor.name, "signal SIGKILL"))

    def _lose_shard(self, attempt: int) -> None:
        self.faults_left -= 1
        for agent in self.agents.values():
            if attempt in agent.written:
                agent.written[attempt] = "lost"
        self._handle(do.ShardLost(attempt))
