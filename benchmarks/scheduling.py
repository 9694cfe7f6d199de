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
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from glowpy import Flow
from glowpy.driver import scheduling as do
from glowpy.driver.scheduler import Scheduler
from glowpy.place import Place
from glowpy.planner.fusion import make_plan

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
    machine = Scheduler(plan, lost_attempts=3, store_owner="store")
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
            tell(do.GroupSealed(ended.attempt, 1))
    return event_count, time.process_time() - began


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
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
