"""What scheduling costs: groups a second through a cluster, events a second through the scheduler,
and a master under load.

    python benchmarks/scheduling.py groups --sizes 100 1000 10000
    python benchmarks/scheduling.py scheduler --sizes 10000 100000
    python benchmarks/scheduling.py master --agents 1000 --drivers 50 --duration-s 20

The machine may have others at work: each figure of time comes with the processors' time that was
used, and `groups` and `master` say how much of both cores that was.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import re
import resource
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from glowpy import Flow
from glowpy.driver.scheduling import events as do
from glowpy.driver.scheduling.scheduler import Scheduler
from glowpy.locality import Place
from glowpy.planner.fusion import make_plan
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.address import parse_address
from glowpy.wire.greeting import PYTHON
from glowpy.wire.messages import (
    PROTOCOL_VERSION,
    AskExecutors,
    Grants,
    Heartbeat,
    Hello,
    ReturnLeases,
)
from glowpy.wire.security import policy_for
from glowpy.wire.transport import Link, Poller, Transport

# --- groups through a cluster -----------------------------------------------------------------


def groups(arguments: argparse.Namespace) -> None:
    """`slice` of n shards, one map, no output, on one agent with two executors."""
    print("groups | wall s | groups/s | ms/group | CPU ms/group: driver agent executors | MB")
    with cluster(arguments.executors) as (leader, agent):
        for size in arguments.sizes:
            rounds = [one_run(leader, agent, size) for _ in range(arguments.rounds)]
            median = sorted(rounds, key=lambda each: each["wall_s"])[len(rounds) // 2]
            wall_s = median["wall_s"]
            used = [median[name] * 1000 / size for name in ("driver_s", "agent_s", "executors_s")]
            print(
                f"{size:6} | {wall_s:6.2f} | {size / wall_s:8.0f} | {wall_s * 1000 / size:8.3f} |",
                *(f"{each:.3f}" for each in used),
                f"| {median['memory_mb']:.1f}",
                flush=True,
            )


@contextmanager
def cluster(executors: int) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "glowpy", "cluster", "--agents", "1", "--port", "0"]
    command += ["--executors", str(executors)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"ready, leader (\S+)", line):
                    break
            family = psutil.Process(process.pid).children()
            (agent,) = [each for each in family if "agent" in each.cmdline()]
            yield found[1], agent
        finally:
            process.terminate()


def one_run(leader: str, agent: psutil.Process, size: int) -> dict[str, float]:
    before = agent.cpu_times()
    command = [sys.executable, __file__, "one-run", "--sizes", str(size), "--leader", leader]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    after = agent.cpu_times()
    measured["agent_s"] = after.user + after.system - before.user - before.system
    measured["executors_s"] = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return measured


def run_once(arguments: argparse.Namespace) -> None:
    """The driver of `groups`; what it takes without any group is not counted."""
    (size,) = arguments.sizes
    flow = Flow(["-glow", f"-glow.leader={arguments.leader}", "-glow.quiet"])
    flow.slice([0]).map(increment).run()
    gc.collect()
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    flow.slice(range(size), size).map(increment).run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "wall_s": time.perf_counter() - began,
        "driver_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory_mb": after.ru_maxrss / 1024,
    }
    print(json.dumps(measured))


def increment(row: int) -> int:
    return row + 1


# --- the scheduler by itself ------------------------------------------------------------------


def scheduler(arguments: argparse.Namespace) -> None:
    """Step groups of 1,000 groups each, every boundary 1,000 to 1,000; nothing else runs."""
    print("groups | events | CPU s | events/s | us/event | MB")
    for size in arguments.sizes:
        events, cpu_s = drive(size, arguments.width, arguments.executors, arguments.per_agent)
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{size:6} | {events:6} | {cpu_s:5.2f} | {events / cpu_s:8.0f} | "
            f"{cpu_s / events * 1e6:8.1f} | {memory_mb:.0f}",
            flush=True,
        )


def drive(size: int, width: int, executors: int, per_agent: int) -> tuple[int, float]:
    """Have a scheduler run so many groups; how many events that took, and how long."""
    dataset = Flow(["-glow.inline"]).slice(range(width), width).map(increment)
    for _ in range(size // width - 1):
        dataset = dataset.partition(width).map(increment)
    plan = make_plan(dataset._graph, [dataset._node], stored=True)
    assert plan.group_count == size // width * width, plan.group_count
    machine = Scheduler(plan, lost_attempts=3, lost_agents=3, store_owner="store")
    joins = deque(
        do.ExecutorJoined(f"e{n}", f"a{n // per_agent}", place(n // per_agent))
        for n in range(executors)
    )
    queues: dict[str, deque[do.Assign]] = {f"e{n}": deque() for n in range(executors)}
    running: list[str] = []  # executors, each at its first assignment
    draw = random.Random(7)
    event_count = 0
    began = time.process_time()

    def tell(event: Any) -> None:
        nonlocal event_count
        event_count += 1
        obey(machine.handle(event, 0.0))

    def obey(actions: list[Any]) -> None:
        for action in actions:
            if isinstance(action, do.Assign):
                queue = queues[action.executor]
                queue.append(action)
                if len(queue) == 1:
                    starts.append(action)
            elif isinstance(action, do.Recall):
                recalls.append(action)
            elif isinstance(action, do.Failed):
                raise action.error

    starts: list[do.Assign] = []
    recalls: list[do.Recall] = []
    obey(machine.start())
    while joins:
        tell(joins.popleft())
    while starts or recalls or running:
        while starts:
            assign = starts.pop()
            running.append(assign.executor)
            tell(do.GroupStarted(assign.attempt))
        while recalls:
            recall = recalls.pop()
            queue = queues[recall.executor]
            if len(queue) > 1 and queue[-1].attempt == recall.attempt:
                queue.pop()
                tell(do.Recalled(recall.executor, recall.attempt))
        if running:
            position = draw.randrange(len(running))
            running[position], running[-1] = running[-1], running[position]
            executor = running.pop()
            queue = queues[executor]
            ended = queue.popleft()
            if queue:
                starts.append(queue[0])
            tell(do.GroupSealed(ended.attempt))
    return event_count, time.process_time() - began


# --- a master under load ----------------------------------------------------------------------


def master(arguments: argparse.Namespace) -> None:
    """Agents that beat and drivers that ask, each with a connection of its own."""
    command = [
        sys.executable,
        "-m",
        "glowpy",
        "master",
        "--address",
        "127.0.0.1:0",
        "--log-level",
        "error",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        beating = subprocess.Popen(
            [sys.executable, __file__, "agents", "--leader", address, *repeated(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert beating.stdin is not None and beating.stdout is not None
        try:
            beating.stdout.readline()  # all have been heard of
            server = psutil.Process(process.pid)
            before, began = server.cpu_times(), time.perf_counter()
            command = [sys.executable, __file__, "drivers", "--leader", address]
            subprocess.run([*command, *repeated(arguments)], check=True)
            after, wall_s = server.cpu_times(), time.perf_counter() - began
            used_s = after.user + after.system - before.user - before.system
            print(f"master: {used_s / wall_s:.2f} cores, {server.memory_info().rss / 2**20:.0f} MB")
        finally:
            beating.stdin.close()
            beating.wait()
            process.terminate()


def repeated(arguments: argparse.Namespace) -> list[str]:
    names = ("agents", "drivers", "asks_per_s", "duration_s")
    return [
        word
        for name in names
        for word in (f"--{name.replace('_', '-')}", str(getattr(arguments, name)))
    ]


def hello(transport: Transport, leader: str, role: str, name: str) -> Link:
    link = transport.connect(parse_address(leader))
    link.send(Hello(PROTOCOL_VERSION, __version__, PYTHON, role, name))
    return link


def beat_as_agents(arguments: argparse.Namespace) -> None:
    """Each beats every five seconds, at a moment of its own, until standard input ends."""
    timing = Timing()
    with Transport(policy_for(parse_address(arguments.leader)), timing) as transport:
        links = []
        for number in range(arguments.agents):
            links.append(hello(transport, arguments.leader, "agent", f"a{number}"))
        beats = deque((time.monotonic(), n) for n in range(len(links)))
        is_told = False
        while not select.select([sys.stdin], [], [], 0)[0]:
            due, number = beats.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            links[number].send(heartbeat(number))
            while links[number].receive() is not None:
                pass  # a Welcome
            if not is_told and len(beats) + 1 == len(links) and number == len(links) - 1:
                is_told = True
                print("all", flush=True)
                spread_s = timing.heartbeat_s / len(links)
                now = time.monotonic()
                beats = deque((now + n * spread_s, n) for n in range(len(links)))
            else:
                beats.append((due + timing.heartbeat_s, number))


def heartbeat(number: int) -> Heartbeat:
    where = place(number)
    address = f"10.{number // 65536}.{number // 256 % 256}.{number % 256}:8931"
    return Heartbeat(f"a{number}", address, where.data_center, where.rack, 1, 4, 4096, (), 4)


def ask_as_drivers(arguments: argparse.Namespace) -> None:
    """Each asks so many times a second, and gives back what it got a second later."""
    draw = random.Random(7)
    latencies: list[float] = []
    granted = 0
    with Transport(policy_for(parse_address(arguments.leader)), Timing()) as transport:
        poller = Poller()
        links = [
            hello(transport, arguments.leader, "driver", f"d{n}") for n in range(arguments.drivers)
        ]
        for number, link in enumerate(links):
            poller.register(link, number)
        pause_s = 1 / arguments.asks_per_s
        start = time.monotonic() + 1.0
        asks = deque((start + pause_s * n / len(links), n) for n in range(len(links)))
        asked: list[deque[float]] = [deque() for _ in links]
        held: list[deque[tuple[float, tuple[str, ...]]]] = [deque() for _ in links]
        while (now := time.monotonic()) < start + arguments.duration_s:
            while asks[0][0] <= now:
                due, number = asks.popleft()
                while held[number] and held[number][0][0] <= now:
                    links[number].send(ReturnLeases(held[number].popleft()[1]))
                count = draw.choice((0, 1, 4, 20, 100))
                holds = sum(len(leases) for _until, leases in held[number])
                ask = AskExecutors(f"d{number}", count, holds, 64, "", f"r{number % 10}", 100.0)
                links[number].send(ask)
                asked[number].append(time.monotonic())
                asks.append((due + pause_s, number))
            for number in poller.poll(max(0.0, asks[0][0] - time.monotonic())):
                links[number].events()
                while (received := links[number].receive()) is not None:
                    if isinstance(received[0], Grants):
                        latencies.append(time.monotonic() - asked[number].popleft())
                        leases = tuple(lease.lease for lease in received[0].leases)
                        granted += len(leases)
                        held[number].append((now + 1.0, leases))
    latencies.sort()
    count = len(latencies)
    print(
        f"{count / arguments.duration_s:.0f} asks/s, {granted / arguments.duration_s:.0f} leases/s;"
        f" latency ms: p50 {latencies[count // 2] * 1000:.2f},"
        f" p99 {latencies[count * 99 // 100] * 1000:.2f}, max {latencies[-1] * 1000:.2f}"
    )


def place(agent: int) -> Place:
    """Forty agents to a rack, five racks to a data centre."""
    return Place(f"dc{agent // 200}", f"r{agent // 40}", f"h{agent}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, run, sizes in [
        ("groups", groups, [100, 1000, 10_000]),
        ("one-run", run_once, [1000]),
        ("scheduler", scheduler, [10_000, 20_000, 50_000, 100_000]),
    ]:
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--sizes", type=int, nargs="+", default=sizes)
        command.add_argument("--rounds", type=int, default=3)
        command.add_argument("--leader", default="")
        command.add_argument("--width", type=int, default=1000)
        command.add_argument("--executors", type=int, default=1000 if run is scheduler else 2)
        command.add_argument("--per-agent", type=int, default=4)
    for name, run in [("master", master), ("agents", beat_as_agents), ("drivers", ask_as_drivers)]:
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--leader", default="")
        command.add_argument("--agents", type=int, default=1000)
        command.add_argument("--drivers", type=int, default=50)
        command.add_argument("--asks-per-s", type=int, default=20)
        command.add_argument("--duration-s", type=float, default=20.0)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
