"""Transcripts of a driver on a cluster: leases, launches, losses, and errors of missing servers."""

from __future__ import annotations

from glowpy.flags import Options
from tests.cluster_transcript import transcript

ONE_LEASE = """
    > demand 1
    reach the master
    ask for 1 beside 0
    > the master grants L1@a1 of 1
    reach a1
"""
ONE_EXECUTOR = (
    ONE_LEASE
    + """
    > a1 connects
    > a1 welcomes
    a1: open
    > a1 opens
    a1: launch r-1 under L1
    > a1 starts r-1
    r-1 joins a1
"""
)


def test_leases_become_executors() -> None:
    transcript("""
    > demand 2
    reach the master
    ask for 2 beside 0
    > the master grants L1@a1 L2@a2 of 2
    reach a1
    reach a2
    > is settled
    False
    > a1 welcomes
    a1: open
    > a1 opens
    a1: launch r-1 under L1
    > a1 starts r-1
    r-1 joins a1
    > a2 refuses the run: no space left on the disk
    leave a2
    return L2
    > the master grants L3@a1 of 2
    a1: launch r-2 under L3
    > a1 starts r-2
    r-2 joins a1
    > a1 ends r-1
    a1 says ExecutorExited
    > close
    a1: close
    closed: False
    > a1 closes
    > return all
    ask for 0 beside 0
    """)


def test_a_smaller_share_returns_leases_that_are_not_launched() -> None:
    transcript("""
    > demand 2
    reach the master
    ask for 2 beside 0
    > the master grants L1@a1 L2@a1 of 1
    reach a1
    > the master grants share 1
    return L2
    the share is 1
    > a1 welcomes
    a1: open
    > a1 opens
    a1: launch r-1 under L1
    """)


def test_a_full_agent_is_asked_for_again() -> None:
    transcript(
        ONE_LEASE
        + """
    > a1 welcomes
    a1: open
    > a1 opens
    a1: launch r-1 under L1
    > a1 is full for r-1
    return L1
    > is settled
    False
    """
    )


def test_no_master() -> None:
    transcript("""
    > demand 1
    reach the master
    ask for 1 beside 0
    > what is missing
    the master at 10.0.0.1:8930
    > 30 s pass
    failed: NoMaster: no master answers at 10.0.0.1:8930 (waited 10 s); start one with `glowpy master --address 10.0.0.1:8930`, or name another with -glow.leader=HOST:PORT
    (10 s)
    """)  # noqa: E501


def test_a_master_with_another_key() -> None:
    transcript(
        """
    > demand 1
    reach the master
    ask for 1 beside 0
    > the master refuses
    leave the master
    failed: NoMaster: the listener at 10.0.0.1:8930 refuses the key in cluster.key (-key.file): name the key file of this cluster; it may also be no glowpy master
    """,  # noqa: E501
        Options(key_file="cluster.key"),
    )


def test_no_agents() -> None:
    transcript("""
    > demand 1
    reach the master
    ask for 1 beside 0
    > the master grants of 0
    > what is missing
    an agent: the master at 10.0.0.1:8930 knows none
    > 30 s pass, of 0 agents
    failed: NoAgents: the master at 10.0.0.1:8930 knows no agents (waited 10 s); start one with `glowpy agent --master 10.0.0.1:8930`
    (10 s)
    """)  # noqa: E501


def test_agents_without_enough_memory() -> None:
    transcript(
        """
    > demand 1
    reach the master
    ask for 1 beside 0
    > the master has 100 MB
    failed: NoAgents: a task asks for 500 MB (-glow.task.memoryMB), but no agent has more than 100 MB
    """,  # noqa: E501
        Options(task_memory_mb=500),
    )


def test_all_executors_are_taken() -> None:
    """A full cluster has room later: the run waits without an error."""
    transcript("""
    > demand 1
    reach the master
    ask for 1 beside 0
    > 100 s pass, of 2 agents
    > what is missing
    free executors: all 4 known to 10.0.0.1:8930 are taken
    """)


def test_an_agent_that_starts_no_process() -> None:
    """The next requests are a second apart; the patience of a run that has begun ends the wait."""
    transcript("""
    > demand 1
    reach the master
    ask for 1 beside 0
    > the master grants L0@a1 of 1
    reach a1
    > a1 welcomes
    a1: open
    > a1 opens
    a1: launch r-1 under L0
    > a1 starts no r-1
    return L0
    > what is missing
    an agent that can be used: a1:1: cannot start a process
    > 100 s pass, a1 starts nothing
    failed: NoAgents: no agent can be used (waited 60 s): a1:1: cannot start a process
    (60 s)
    """)


def test_the_only_agent_refuses_the_run() -> None:
    transcript(
        ONE_LEASE
        + """
    > a1 refuses the run: no space left on the disk
    leave a1
    return L1
    > 5 s pass, of 1 agents
    failed: NoAgents: no agent can be used: a1:1: no space left on the disk
    (1 s)
    """
    )


def test_an_agent_of_another_release() -> None:
    transcript(
        ONE_LEASE
        + """
    > a1 refuses: it runs glowpy 9
    failed: VersionMismatch: agent at a1:1: it runs glowpy 9
    """
    )


def test_a_run_with_an_executor_continues_without_a_master() -> None:
    """After the loss of the last executor, the run ends if the master stays away for a minute."""
    transcript(
        ONE_EXECUTOR
        + """
    > 10 s pass
    > a1 is gone: the connection was closed
    leave a1
    a1 is lost: the connection was closed
    > what is missing
    the master at 10.0.0.1:8930, which no longer answers
    > 100 s pass
    failed: NoMaster: no master answers at 10.0.0.1:8930 (waited 60 s); start one with `glowpy master --address 10.0.0.1:8930`, or name another with -glow.leader=HOST:PORT
    (61 s)
    """  # noqa: E501
    )


def test_a_silent_agent_is_lost_and_reached_again_under_a_new_lease() -> None:
    transcript(
        ONE_EXECUTOR
        + """
    > 20 s pass
    a1 is lost: it has been silent for 15 s
    leave a1
    > the master grants L2@a1 of 1
    reach a1
    > a1 welcomes
    a1: open
    > a1 refuses the run: the run exists here already
    leave a1
    return L2
    """
    )
