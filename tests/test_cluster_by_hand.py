"""A cluster of separately started servers on three hosts: distribution of files, groups and shards.

Agents on 127.0.0.1, 127.0.0.2 and 127.0.0.3 count as different hosts: they read each other's
shards over sockets only, and log the number of bytes.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.processes import BOUND_S, Ended, Served, run, server, started

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
LOGGED = (
    r"run (\w+) is over: served (\d+) frames, (\d+) bytes to other hosts; "
    r"fetched (\d+) program files, (\d+) bytes"
)

# Three groups wait for each other at a row each, so that each needs its own executor. Then a
# shuffle, whose readers need shards of all three.
MEETING = """
import socket
import glowpy
from glowpy import Flow

def meet(row):
    for port in glowpy.argv():
        with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as meeting:
            meeting.recv(1)  # returns when all are there
    print("met")
    return row

rows = Flow().slice(range(3), 3).map(meet)
pairs = rows.flat_map(lambda row: [(x % 997, x) for x in range(row * 5000, row * 5000 + 5000)])
sums = pairs.partition(4).reduce_by_key(lambda x, y: x + y).collect()
print(len(sums), hash(tuple(sums)))
"""
MET = f"997 {hash(tuple((rest, sum(range(rest, 15000, 997))) for rest in range(997)))}"


@dataclass(frozen=True, slots=True)
class OfRun:
    """An agent's log line about a completed run."""

    run: str
    frames_served: int
    bytes_served: int
    files_fetched: int
    bytes_fetched: int


@dataclass(slots=True)
class Cluster:
    """A master, and its agents by host."""

    leader: str
    agents: dict[str, Served] = field(default_factory=dict)
    _runs_read: dict[str, int] = field(default_factory=dict)  # by host

    @property
    def flags(self) -> list[str]:
        return ["-glow", f"-glow.leader={self.leader}"]

    def of_next_run(self, host: str) -> OfRun:
        """Wait for the agent's log line about its next run that has not been read yet."""
        number = self._runs_read[host] = self._runs_read.get(host, 0) + 1
        name, *counts = self.agents[host].log.await_match(LOGGED, number).groups()
        return OfRun(name, *map(int, counts))


@contextmanager
def started_by_hand(directory: Path, hosts: list[str], executors: int) -> Iterator[Cluster]:
    """A master and a registered agent on each host."""
    with ExitStack() as stack:
        info = ["--log-level", "info"]
        master = stack.enter_context(server(directory, "master", "--address", "127.0.0.1:0", *info))
        cluster = Cluster(master.address)
        for host in hosts:
            place = ["--host", host, "--port", "0", "--dir", str(directory / f"agent-{host}")]
            limits = ["--max.executors", str(executors)]
            options = ["--master", master.address, *place, *limits, *info]
            agent = stack.enter_context(server(directory, "agent", *options))
            assert agent.address.startswith(f"{host}:")
            cluster.agents[host] = agent
        master.log.await_match(r" joined: \d+ executors", len(hosts))
        yield cluster
    for host in hosts:
        assert not (directory / f"agent-{host}" / "runs").exists()


@pytest.fixture
def on_three_hosts(tmp_path: Path) -> Iterator[Cluster]:
    with started_by_hand(tmp_path, HOSTS, executors=1) as cluster:
        yield cluster


def run_meeting(directory: Path, cluster: Cluster, more: str = "") -> Ended:
    """Run the script MEETING on the cluster; the groups meet at a port of this process."""
    (directory / "meeting.py").write_text(MEETING + more, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as place, ExitStack() as guests:
        place.settimeout(BOUND_S)
        port = str(place.getsockname()[1])
        with started(directory, "meeting.py", *cluster.flags, port) as running:
            try:
                for _ in range(3):
                    guests.enter_context(place.accept()[0])
            except TimeoutError:
                pytest.fail(f"no three executors at once; {running.so_far()}")
            guests.close()
            ended = running.finish()
            assert ended.status == 0, running.so_far()
    return ended


def test_three_hosts_share_work_and_shards(on_three_hosts: Cluster, tmp_path: Path) -> None:
    addresses = {agent.address for agent in on_three_hosts.agents.values()}
    ended = run_meeting(tmp_path, on_three_hosts)
    *met, last = ended.stdout.splitlines()
    assert last == MET
    assert sorted(met) == sorted(f"{address}> met" for address in addresses)
    first = {host: on_three_hosts.of_next_run(host) for host in HOSTS}
    assert len({each.run for each in first.values()}) == 1, first
    # For any placement of the readers, at least two of the three agents had shards for another
    # host.
    assert sum(each.frames_served > 0 for each in first.values()) >= 2, first
    assert sum(each.bytes_served for each in first.values()) > 5000, first
    size = (tmp_path / "meeting.py").stat().st_size
    assert {(each.files_fetched, each.bytes_fetched) for each in first.values()} == {(1, size)}

    # At the second run, every agent has the program.
    assert run_meeting(tmp_path, on_three_hosts).stdout.splitlines()[-1] == MET
    second = {host: on_three_hosts.of_next_run(host) for host in HOSTS}
    assert {(each.files_fetched, each.bytes_fetched) for each in second.values()} == {(0, 0)}
    assert {each.run for each in first.values()}.isdisjoint({each.run for each in second.values()})

    # After a change of the script, the agents fetch the script again.
    assert run_meeting(tmp_path, on_three_hosts, "\n").stdout.splitlines()[-1] == MET
    third = {host: on_three_hosts.of_next_run(host) for host in HOSTS}
    assert {each.bytes_fetched for each in third.values()} == {size + 1}


def test_the_examples(on_three_hosts: Cluster, tmp_path: Path) -> None:
    hello = run(tmp_path, EXAMPLES / "hello_world.py", *on_three_hosts.flags)
    inline = run(tmp_path, EXAMPLES / "hello_world.py", "-glow.inline")
    address, _, printed = hello.stdout.partition("> ")
    assert printed == inline.stdout
    assert address in {agent.address for agent in on_three_hosts.agents.values()}

    for name in ("one", "two"):
        words = " ".join(f"word{chr(97 + number % 23)}" for number in range(5000))
        (tmp_path / f"{name}.txt").write_text(f"{name} {words}\n" * 20, encoding="utf-8")
    results = [
        re.sub(r", \d+\.\d\d s$", "", run(tmp_path, EXAMPLES / "word_count.py", *words).stdout)
        for words in (["*.txt", *on_three_hosts.flags], ["*.txt", "-glow.inline"])
    ]
    assert results[0] == results[1]
    assert "2 files, 200040 words, 25 different ones" in results[0]


def test_one_executor_runs_everything(tmp_path: Path) -> None:
    """Group after group in one process, on both sides of every barrier."""
    script = """
import os
from glowpy import Flow

rows = Flow().slice(range(24), 24).map(lambda x: (x, os.getpid()))
spread = rows.partition(6).map(lambda x, pid: (x % 5, {pid, os.getpid()}))
for key, pids in spread.reduce_by_key(lambda one, two: one | two | {os.getpid()}).collect():
    print(key, *pids)
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    with started_by_hand(tmp_path, ["127.0.0.1"], executors=1) as cluster:
        ended = run(tmp_path, "script.py", *cluster.flags)
        of_run = cluster.of_next_run("127.0.0.1")
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert [key for key, *_pids in lines] == ["0", "1", "2", "3", "4"]
    (pid,) = {pid for _key, *pids in lines for pid in pids}
    assert int(pid) != os.getpid()
    assert of_run.frames_served == 0, "driver and executor are on the agent's host"
