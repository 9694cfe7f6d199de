"""Random flows on random clusters, under random faults, each compared with its inline run.

python -m tests.faults.soak --runs 500 --seed 7           (make soak N=500 SEED=7)
python -m tests.faults.soak --runs 500 --seed 7 --only 42  run number 42 alone
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import Any

from glowpy import Flow
from glowpy.testing import Faults, LocalCluster, started
from tests.faults.checks import assert_clean
from tests.faults.random_flows import random_flow, terminal_call

_RUNS_OF_A_CLUSTER = 10
_BOUND_S = 120.0
_SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGABRT, signal.SIGTERM]


class SoakError(Exception):
    """A run returned a wrong result, raised an error, or exceeded its time."""


class _Story:
    """The events of one run as text."""

    def __init__(self, name: str) -> None:
        self.lines = [name]
        self.happened: Counter[str] = Counter()

    def add(self, text: str) -> None:
        self.lines.append(f"  {text}")


def _arm(random: Random, faults: Faults, story: _Story) -> None:
    for _ in range(random.choice([0, 1, 1, 2, 3])):
        at_row, at_end = random.choice([0, 0, 1, 5, 60, 700]), random.random() < 0.2
        task, by = random.choice([-1, 0, 1, 2]), random.choice(_SIGNALS)
        faults.kill_executor(at_row, at_end=at_end, task=task, by=by)
        where = "its end" if at_end else f"row {at_row}"
        story.add(f"kill an executor of task {task} at {where} by {by.name}")


class _Disturber:
    """Injects faults into the servers of a cluster when the run has begun a number of attempts."""

    def __init__(self, random: Random, cluster: LocalCluster, agents: int, story: _Story) -> None:
        self._cluster = cluster
        self._story = story
        self._is_over = threading.Event()
        plan = []
        for _ in range(random.choice([0, 0, 1, 1, 2])):
            kind = random.choice(["kill", "kill", "restart", "pause", "blink", "master", "bye"])
            plan.append((random.randint(1, 8), kind, random.randrange(agents)))
        self._plan = sorted(plan)
        self._pause_s = random.choice([0.1, 0.6])
        self._thread = threading.Thread(target=self._run, daemon=True)
        for attempts, kind, agent in self._plan:
            story.add(f"after {attempts} attempts: {kind} {agent}")

    def __enter__(self) -> _Disturber:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        for attempts, kind, agent in self._plan:
            while len(self._cluster.attempts()) < attempts:
                if self._is_over.wait(0.01):
                    return
            if self._is_over.is_set():
                return
            self._do(kind, agent)
            self._story.happened[kind] += 1

    def _do(self, kind: str, agent: int) -> None:
        cluster = self._cluster
        if kind in ("kill", "restart") and cluster.is_alive(agent):
            cluster.kill_agent(agent)
            if kind == "kill":
                self._is_over.wait(self._pause_s)
            cluster.restart_agent(agent)
        elif kind in ("pause", "blink"):
            cluster.pause_agent(agent)
            # an agent that misses heartbeats for 3 s is lost
            self._is_over.wait(4.0 if kind == "pause" else self._pause_s)
            cluster.resume_agent(agent)
        elif kind == "master":
            cluster.kill_master()
            self._is_over.wait(self._pause_s)
            cluster.restart_master()
        elif kind == "bye":
            cluster.kill_attempt(cluster.attempts()[-1])


def soak(runs: int, seed: int, *, only: int = -1, say: Callable[[str], Any] = print) -> str:
    """Run the flows and return a summary.

    Raises:
        SoakError: a run failed; the message has its number and the command that repeats it.
    """
    begun_at = time.monotonic()
    happened: Counter[str] = Counter()
    for first in range(0, runs, _RUNS_OF_A_CLUSTER):
        numbers = range(first, min(first + _RUNS_OF_A_CLUSTER, runs))
        if only >= 0 and only not in numbers:
            continue
        random = Random(f"{seed} cluster {first}")
        agents, executors = random.randint(1, 4), random.randint(1, 2)
        with LocalCluster(agents, executors=executors, time_scale=0.2) as cluster:
            for number in numbers:
                if only in (-1, number):
                    with TemporaryDirectory(prefix="glowpy-soak-") as directory:
                        place = Path(directory)
                        happened += _one(seed, number, cluster, agents, runs, place)
                    say(f"run {number} of seed {seed} is right")
    counts = ", ".join(f"{count} {what}" for what, count in sorted(happened.items()))
    return f"{runs} runs of seed {seed} in {time.monotonic() - begun_at:.0f} s: {counts}"


def _one(
    seed: int, number: int, cluster: LocalCluster, agents: int, runs: int, directory: Path
) -> Counter[str]:
    random = Random(f"{seed} run {number}")
    name, make = random_flow(random, directory)
    call, result_of = terminal_call(random, directory)
    is_standalone = random.random() < 0.25
    flags = ["-glow.workers=3"] if is_standalone else cluster.flags
    if random.random() < 0.2:
        flags = [*flags, "-glow.task.memoryMB=1"]
    if random.random() < 0.3:
        flags = [*flags, "-glow.speculate"]
    story = _Story(f"{name}, {call} on {'this machine' if is_standalone else f'{agents} agents'}")
    expected = result_of(make(Flow(["-glow.inline"])))
    cluster.restore()
    _arm(random, cluster.faults, story)
    try:
        with _disturbed(is_standalone, random, cluster, agents, story):
            dataset = make(Flow([*flags, "-glow.quiet"]))
            found = started(lambda: result_of(dataset)).result(_BOUND_S)
        if found != expected:
            raise SoakError(f"{len(found)} rows, but inline {len(expected)}, or others")
        cluster.faults.disarm()
        assert_clean(cluster)
    except Exception as exc:
        attempts = "\n".join(f"  {each}" for each in cluster.attempts())
        raise SoakError(
            f"run {number} of seed {seed}: {type(exc).__name__}: {exc}\n"
            + "\n".join(story.lines)
            + f"\n{attempts}\nagain: python -m tests.faults.soak --runs {runs} --seed {seed} "
            f"--only {number}"
        ) from exc
    story.happened["runs"] += 1
    story.happened["attempts"] += len(cluster.attempts())
    story.happened["attempts begun again"] += sum(cluster.recomputed().values())
    story.happened["executors killed"] += cluster.faults.happened_count
    return story.happened


@contextmanager
def _disturbed(
    is_standalone: bool, random: Random, cluster: LocalCluster, agents: int, story: _Story
) -> Iterator[None]:
    if is_standalone:
        yield
        return
    with _Disturber(random, cluster, agents, story):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000))
    parser.add_argument("--only", type=int, default=-1)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    try:
        print(soak(options.runs, options.seed, only=options.only, say=lambda text: None))
    except SoakError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
