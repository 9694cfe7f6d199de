"""An agent on a separate host is killed during a run: its shards are really out of reach."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import BOUND_S, run, server, started

pytestmark = pytest.mark.slow

# Three groups wait for each other, so that each of three agents with one executor holds a shard of
# the first step. The first row of the next step kills an agent.
SCRIPT = """
import os, signal, socket
import glowpy
from glowpy import Flow

port, victim, marker = glowpy.argv()

def meet(row):
    try:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as meeting:
            meeting.recv(1)  # returns when all are there
    except ConnectionRefusedError:
        pass  # the meeting is over: this is done again
    print("begun", row)
    return row

def kill(key, row):
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        os.kill(int(victim), signal.SIGKILL)
    except FileExistsError:
        pass
    return key, row

rows = Flow().slice(range(3), 3).map(meet)
pairs = rows.flat_map(lambda row: [(x % 997, x) for x in range(row * 5000, row * 5000 + 5000)])
sums = pairs.partition(4).map(kill).reduce_by_key(lambda x, y: x + y).collect()
print(len(sums), hash(tuple(sums)))
"""


def test_a_killed_agents_shards_are_computed_again(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    marker = tmp_path / "marker"
    with ExitStack() as stack:
        leader = stack.enter_context(server(tmp_path, "master", "--address", "127.0.0.1:0")).address

        def options(host: str) -> list[str]:
            place = ["--host", host, "--port", "0", "--dir", str(tmp_path / host)]
            return ["--master", leader, *place, "--max.executors", "1"]

        for host in ("127.0.0.1", "127.0.0.3"):
            stack.enter_context(server(tmp_path, "agent", *options(host)))
        words = ["-m", "glowpy", "agent", *options("127.0.0.2")]
        victim = stack.enter_context(started(tmp_path, *words))
        address = victim.stdout.await_match(r"listening on (\S+)")[1]
        place = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        place.settimeout(BOUND_S)
        port, pid = place.getsockname()[1], victim.process.pid
        flags = ["-glow", f"-glow.leader={leader}", str(port), str(pid), str(marker)]
        with started(tmp_path, "script.py", *flags) as driver:
            guests = [place.accept()[0] for _ in range(3)]
            place.close()
            for guest in guests:
                guest.close()
            ended = driver.finish()
        assert victim.finish().status == -signal.SIGKILL
    assert ended.status == 0, ended.stderr
    sums = [(rest, sum(range(rest, 15000, 997))) for rest in range(997)]
    lines = ended.stdout.splitlines()
    assert lines[-1] == f"997 {hash(tuple(sums))}"
    # The lost agent's group starts again; its report of the first start may be lost.
    begun = [line.partition("> ")[2] for line in lines[:-1]]
    assert set(begun) == {"begun 0", "begun 1", "begun 2"} and len(begun) <= 4, lines
    assert f"agent {address} is lost" in ended.stderr


def test_the_master_is_needed_for_the_grants_only(tmp_path: Path) -> None:
    """A driver that has its executors finishes without the master."""
    script = """
import os, signal
import glowpy
from glowpy import Flow

def kill(row):
    if row == 0:
        os.kill(int(glowpy.argv()[0]), signal.SIGKILL)
    return row

print(Flow().slice(range(9), 9).map(kill).reduce(lambda x, y: x + y).collect())
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    with ExitStack() as stack:
        words = ["-m", "glowpy", "master", "--address", "127.0.0.1:0"]
        master = stack.enter_context(started(tmp_path, *words))
        leader = master.stdout.await_match(r"listening on (\S+)")[1]
        options = ["--master", leader, "--port", "0", "--max.executors", "2"]
        stack.enter_context(server(tmp_path, "agent", *options, "--dir", str(tmp_path / "agent")))
        flags = ["-glow", f"-glow.leader={leader}", str(master.process.pid)]
        ended = run(tmp_path, "script.py", *flags)
        assert master.finish().status == -signal.SIGKILL
    assert ended.stdout == "[36]\n"
