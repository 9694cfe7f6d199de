"""Real drivers, agents and masters that start, stop and compete."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.gate import SCRIPT, Gate
from tests.processes import Ended, Running, Served, await_idle, server, started

pytestmark = pytest.mark.slow

NAMED = (
    SCRIPT
    + """
name, count = glowpy.argv()[1:]
rows = Flow().slice(range(int(count)), int(count)).map(lambda row: pass_gate(name, row))
print(sorted(rows.collect()) == list(range(int(count))))
"""
)
# 50 groups in four steps: 20, 16, 13 and one
FIFTY = (
    SCRIPT
    + """
rows = Flow().slice(range(20), 20).map(lambda row: pass_gate("first", row))
spread = rows.map(lambda row: (row % 7, row)).partition(16)
again = spread.map(lambda key, row: (row % 5, row)).partition(13)
print(again.map(lambda key, row: row).map(lambda row: row).reduce(lambda x, y: x + y).collect())
"""
)


class Cluster:
    """A master, agents and drivers that a test starts separately."""

    def __init__(self, directory: Path, gate: Gate, stack: ExitStack) -> None:
        self.directory = directory
        self.gate = gate
        self._stack = stack
        self._agent_count = 0
        self.leader = ""

    def started(self, *words: str | Path) -> Running:
        return self._stack.enter_context(started(self.directory, *words))

    def master(self) -> Served:
        address = self.leader or "127.0.0.1:0"
        served = self._stack.enter_context(server(self.directory, "master", "--address", address))
        self.leader = served.address
        return served

    def agent(self, *options: str) -> Served:
        self._agent_count += 1
        host = f"127.0.0.{self._agent_count}"
        place = ["--host", host, "--port", "0", "--dir", str(self.directory / host)]
        return self._stack.enter_context(
            server(self.directory, "agent", "--master", self.leader, *place, *options)
        )

    def driver(self, script: str, *words: str) -> Running:
        path = self.directory / f"script{abs(hash(script))}.py"
        path.write_text(script, encoding="utf-8")
        flags = ["-glow", f"-glow.leader={self.leader}", "-glow.quiet"]
        return self.started(path, *flags, self.gate.port, *words)


def finish(driver: Running) -> Ended:
    ended = driver.finish()
    assert ended.status == 0, driver.so_far()
    return ended


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack, Gate() as gate:
        yield Cluster(tmp_path, gate, stack)


def agent_of(pid: int) -> int:
    """The parent process of an executor."""
    return psutil.Process(pid).ppid()


def test_drivers_share_by_bid_and_use_their_executors_again(cluster: Cluster) -> None:
    gate = cluster.gate
    cluster.master()
    for _ in range(2):
        cluster.agent("--max.executors", "2")
    one = cluster.driver(NAMED, "one", "500")
    gate.wait_for(one=4)
    two = cluster.driver(NAMED, "two", "500")
    gate.let_until("one", one=2, two=2)
    pids = {name: gate.pids[name] for name in ("one", "two")}
    assert (len(pids["one"]), len(pids["two"])) == (4, 2)
    for _ in range(3):  # the distribution stays the same
        for each in gate.waiting():
            gate.let_through(each)
        gate.wait_for(one=2, two=2)
    high = cluster.driver(NAMED, "high", "500", "-glow.flow.bid=200")
    gate.let_until("one two", one=1, two=1, high=2)
    gate.open()
    for driver in (one, two, high):
        assert finish(driver).stdout == "True\n"
    assert gate.most_waiting == 4


def test_a_new_master_overcommits_no_agent_and_memory_counts(cluster: Cluster) -> None:
    """Four executors, but memory for two of these drivers' tasks."""
    gate = cluster.gate
    master = cluster.started("-m", "glowpy", "master", "--address", "127.0.0.1:0")
    cluster.leader = master.stdout.await_match(r"listening on (\S+)")[1]
    cluster.agent("--max.executors", "4", "--memory", "130")
    one = cluster.driver(NAMED, "one", "500", "-glow.task.memoryMB=60")
    gate.wait_for(one=2)
    master.process.kill()
    assert master.finish().status == -signal.SIGKILL
    cluster.master()
    two = cluster.driver(NAMED, "two", "500", "-glow.task.memoryMB=60")
    gate.let_until("one", one=1, two=1)
    gate.open()
    assert [finish(driver).stdout for driver in (one, two)] == ["True\n", "True\n"]
    assert gate.most_waiting == 2


def test_more_drivers_than_executors_take_turns(cluster: Cluster) -> None:
    gate = cluster.gate
    cluster.master()
    cluster.agent("--max.executors", "1")
    drivers = [cluster.driver(NAMED, name, "20000") for name in ("one", "two")]
    served: list[str] = []
    while len(served) < 3:  # the first driver, the second, and the first again
        (group,) = gate.wait_until(lambda here: len(here) == 1)
        if served[-1:] != [group.name]:
            served.append(group.name)
        gate.let_through(group)
    assert gate.most_waiting == 1
    for driver in drivers:
        driver.process.send_signal(signal.SIGINT)
        driver.finish()


def test_fifty_groups_on_an_executor_or_two_that_come_and_go(cluster: Cluster) -> None:
    gate = cluster.gate
    cluster.master()
    first = cluster.agent("--max.executors", "1")
    driver = cluster.driver(FIFTY)
    gate.wait_for(first=1)
    gate.open()
    assert finish(driver).stdout == "[190]\n", "with one"
    (pid,) = gate.pids["first"]

    with Gate() as gate:  # another agent joins during the run
        cluster.gate = gate
        driver = cluster.driver(FIFTY)
        gate.wait_for(first=1)
        second = cluster.agent("--max.executors", "1")
        here = gate.wait_for(first=2)
        places = {agent_of(each.pid) for each in here}
        assert places == {first.process.pid, second.process.pid}
        gate.open()
        assert finish(driver).stdout == "[190]\n", "with a late one"
        assert len(gate.pids["first"]) == 2 and pid not in gate.pids["first"]

    with Gate() as gate:  # one agent leaves in the middle
        cluster.gate = gate
        driver = cluster.driver(FIFTY)
        here = gate.wait_for(first=2)
        gate.let_through(*here)
        here = gate.wait_for(first=2)
        (leaving,) = (each.pid for each in here if agent_of(each.pid) == second.process.pid)
        psutil.Process(leaving).kill()
        gate.open()
        assert finish(driver).stdout == "[190]\n", "with one that leaves"


def test_readers_run_where_their_inputs_are(cluster: Cluster) -> None:
    """Two writers at two agents, two readers of each: waiting readers run at their inputs."""
    script = (
        SCRIPT
        + """
flow = Flow()
rows = flow.slice(range(2), 2).map(lambda row: pass_gate("writer", row))
rows.map(lambda row: pass_gate("reader", row))
rows.map(lambda row: pass_gate("reader", row))
flow.run()
"""
    )
    gate = cluster.gate
    cluster.master()
    places = [
        cluster.agent("--max.executors", "1", "--dataCenter", center).process.pid
        for center in ("east", "west")
    ]
    driver = cluster.driver(script)
    writers = {each.row: each for each in gate.wait_for(writer=2)}
    wrote = {row: agent_of(each.pid) for row, each in writers.items()}
    assert sorted(wrote.values()) == sorted(places)
    # The second writer has two readers, one of them queued, before the first writer is complete.
    gate.let_through(writers["1"])
    (reader,) = (each for each in gate.wait_for(writer=1, reader=1) if each.name == "reader")
    assert (reader.row, agent_of(reader.pid)) == ("1", wrote["1"])
    gate.let_through(writers["0"])
    for _ in range(2):
        here = gate.wait_for(reader=2)
        assert {each.row: agent_of(each.pid) for each in here} == wrote
        gate.let_through(*here)
    finish(driver)


def test_a_thousand_groups_on_two_executors_start_two_processes(cluster: Cluster) -> None:
    script = """
import os
from glowpy import Flow
pids = Flow().slice(range(1000), 1000).map(lambda row: os.getpid()).collect()
print(len(pids), len(set(pids)))
"""
    cluster.master()
    agent = cluster.agent("--max.executors", "2", "--log-level", "debug")
    assert finish(cluster.driver(script)).stdout == "1000 2\n"
    agent.log.await_match("nothing is left of the run")
    assert len(re.findall("an executor has started", agent.log.text)) == 2


def test_tasks_spread_and_keep_to_preferred_places_and_fast_cores(cluster: Cluster) -> None:
    cluster.master()
    places = ["east r1 1", "east r2 1", "west r1 1", "west r2 9"]
    names: dict[int, str] = {}  # of agents, by process
    for place in places:
        center, rack, level = place.split()
        where = ("--dataCenter", center, "--rack", rack, "--cpu.level", level)
        names[cluster.agent("--max.executors", "2", *where).process.pid] = f"{center} {rack}"

    def placed(count: int, *flags: str) -> dict[str, int]:
        """Distribution over agents of `count` concurrent groups."""
        await_idle(cluster.leader)
        with Gate() as gate:
            cluster.gate = gate
            driver = cluster.driver(NAMED, "group", str(count), *flags)
            here = Counter(names[agent_of(each.pid)] for each in gate.wait_for(group=count))
            gate.open()
            assert finish(driver).stdout == "True\n"
        return dict(here)

    assert placed(8) == {"east r1": 2, "east r2": 2, "west r1": 2, "west r2": 2}
    assert placed(2) == {"west r2": 2}, "its cores are faster"
    east = "-glow.dataCenter=east"
    assert placed(2, east) == {"east r1": 1, "east r2": 1}, "not both at one agent"
    assert placed(2, east, "-glow.rack=r2") == {"east r2": 2}
    assert placed(4, east, "-glow.rack=r2") == {"east r2": 2, "east r1": 2}, "a preference only"
    assert placed(1, "-glow.dataCenter=north") == {"west r2": 1}
