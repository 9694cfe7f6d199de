"""The answer to `glowpy status`: pure, and bounded for any names chosen by agents."""

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
        up_s=up_s,
        agents_known=len(agents),
        runs_known=len(runs),
        executors_known=sum(agent.executor_limit for agent in agents),
        executors_busy=sum(executors for executors, _memory_mb in usage.values()),
        executors_wanted=sum(run.executors_wanted for run in runs),
        agents=tuple(
            _agent(
                agent,
                usage.get(agent.agent, (0, 0)),
                max(0.0, now - topology.heard_at(agent.agent)),
                late_s,
            )
            for agent in islice(agents, most)
        ),
        runs=tuple(
            run._replace(run=_cut(run.run), script=_cut(run.script), module=_cut(run.module))
            for run in islice(runs, most)
        ),
    )


def _agent(agent: Agent, usage: tuple[int, int], silent_s: float, late_s: float) -> AgentStatus:
    executors, memory_mb = usage
    return AgentStatus(
        agent=_cut(agent.agent),
        address=_cut(agent.address),
        data_center=_cut(agent.place.data_center),
        rack=_cut(agent.place.rack),
        cores=agent.cores,
        cpu_level=agent.cpu_level,
        executor_limit=agent.executor_limit,
        executors_busy=executors,
        memory_mb=agent.memory_mb,
        memory_used_mb=memory_mb,
        silent_s=silent_s,
        is_late=silent_s > late_s,
    )


def _cut(name: str) -> str:
    return name[:_MOST_CHARACTERS]
