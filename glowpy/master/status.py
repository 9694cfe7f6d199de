"""The answer to `glowpy status`: pure, and bounded whatever names agents choose."""

from __future__ import annotations

from itertools import islice

from glowpy.master.allocator import Allocator
from glowpy.master.topology import Agent, Topology
from glowpy.wire.status_messages import AgentStatus, AskStatus, Status

MOST_LISTED = 1000  # of each kind: an answer must fit into a message
_MOST_CHARACTERS = 200  # of a name chosen by a peer


def status_of(
    ask: AskStatus,
    topology: Topology,
    allocator: Allocator,
    *,
    up_s: float,
    late_s: float,
    now: float,
) -> Status:
    """Return the status of all agents and runs, in order of their names.

    Args:
        late_s: the silence of an agent that counts as a missing heartbeat.
    """
    most = max(0, min(ask.most, MOST_LISTED))
    usage = allocator.usage()
    runs = sorted(allocator.runs(now))
    agents = sorted(topology.agents(), key=lambda agent: (agent.address, agent.agent))
    return Status(
        up_s,
        len(agents),
        len(runs),
        sum(agent.executor_limit for agent in agents),
        sum(executors for executors, _memory_mb in usage.values()),
        sum(run.executors_wanted for run in runs),
        tuple(
            _agent(
                agent,
                usage.get(agent.agent, (0, 0)),
                max(0.0, now - topology.heard_at(agent.agent)),
                late_s,
            )
            for agent in islice(agents, most)
        ),
        tuple(
            run._replace(run=_cut(run.run), script=_cut(run.script), module=_cut(run.module))
            for run in islice(runs, most)
        ),
    )


def _agent(agent: Agent, usage: tuple[int, int], silent_s: float, late_s: float) -> AgentStatus:
    executors, memory_mb = usage
    return AgentStatus(
        _cut(agent.agent),
        _cut(agent.address),
        _cut(agent.place.data_center),
        _cut(agent.place.rack),
        agent.cores,
        agent.cpu_level,
        agent.executor_limit,
        executors,
        agent.memory_mb,
        memory_mb,
        silent_s,
        silent_s > late_s,
    )


def _cut(name: str) -> str:
    return name[:_MOST_CHARACTERS]
