"""Transcripts of the master: topology and allocator behind the messages of agents and drivers.

`>` is an event, the lines below it the answer. `a1` is an agent; d1's leases are `d1.1`,
`d1.2` … in the order in which they are granted. Only lines that say so advance the clock. The
drivers that the master calls to ask again stand last.
"""

from __future__ import annotations

from collections import Counter
from textwrap import dedent
from typing import Any

from glowpy.master.master import Master
from glowpy.timing import Timing
from glowpy.wire.messages import (
    AskExecutors,
    Goodbye,
    Grants,
    Heartbeat,
    LeaseInUse,
    ReturnLeases,
)

_FIELDS = {"executors": "executor_limit", "level": "cpu_level", "MB": "memory_mb"}


class Play:
    """A master, the states that its agents report, and names for leases."""

    def __init__(self) -> None:
        self.now = 0.0
        self.master = Master(Timing(), self.now)
        self.agents: dict[str, Heartbeat] = {}
        self.leases: dict[str, LeaseInUse] = {}  # by the name in the transcript
        self._counts: Counter[str] = Counter()

    def answers(self, line: str) -> list[str]:
        """The answer to an event, and the called drivers."""
        said = self._answer(line)
        called = [peer.decode() for peer in self.master.to_call(self.now)]
        return [*said, *([f"calls {', '.join(called)}"] if called else [])]

    def _answer(self, line: str) -> list[str]:
        match line.split():
            case [agent, "beats", *options]:
                return self._beat(agent, options)
            case [agent, "leaves"]:
                self.master.handle(Goodbye(agent), self.now)
            case [driver, "asks", "for", count, *options]:
                return self._ask(driver, int(count), dict(zip(*[iter(options)] * 2, strict=True)))
            case [_, "gives", "back", *names]:
                leases = tuple(self.leases[name].lease for name in names)
                self.master.handle(ReturnLeases(leases), self.now)
            case [seconds, "s", "later"]:
                until = self.now + float(seconds)
                while self.now < until:
                    self.now = min(self.now + Timing().tick_s, until)
                    self.master.tick(self.now)
            case ["the", "master", "stands", "still", "for", seconds, "s"]:
                self.now += float(seconds)
                self.master.tick(self.now)
            case ["the", "master", "is", "another"]:
                self.master = Master(Timing(), self.now)
            case _:
                raise AssertionError(line)
        return []

    def _beat(self, agent: str, options: list[str]) -> list[str]:
        beat = self.agents.get(agent) or Heartbeat(
            agent, f"{agent}:8931", "dc", "r", 1, 2, 1000, ()
        )
        leases = beat.leases
        for name, value in zip(*[iter(options)] * 2, strict=True):
            if name == "in":
                center, _, rack = value.partition("/")
                beat = beat._replace(data_center=center, rack=rack)
            elif name == "using":
                leases = tuple(self.leases[each] for each in value.split(",") if each != "none")
            else:
                fields: dict[str, Any] = {_FIELDS[name]: int(value)}
                beat = beat._replace(**fields)
        self.agents[agent] = beat = beat._replace(leases=leases)
        self.master.handle(beat, self.now)
        return []

    def _ask(self, driver: str, count: int, options: dict[str, str]) -> list[str]:
        center, _, rack = options.get("near", "").partition("/")
        memory_mb, bid = int(options.get("MB", "64")), float(options.get("bid", "100"))
        held = int(options.get("holding", "0"))
        ask = AskExecutors(driver, count, held, memory_mb, center, rack, bid)
        grants = self.master.handle(ask, self.now, driver.encode())
        assert isinstance(grants, Grants)
        said = []
        for lease in grants.leases:
            self._counts[driver] += 1
            name = f"{driver}.{self._counts[driver]}"
            self.leases[name] = LeaseInUse(lease.lease, driver, lease.memory_mb)
            said.append(f"{name} at {lease.agent}")
        share = "may hold any" if grants.share is None else f"may hold {grants.share}"
        return [", ".join([*said, share])]


def transcript(script: str) -> None:
    """Play the events of a script and compare the answers with it."""
    play = Play()
    said = []
    expected = dedent(script).strip("\n").rstrip()
    for line in expected.splitlines():
        if line.startswith(">"):
            said.append(line)
            said += ["  " + answer for answer in play.answers(line[1:].strip())]
            play.master._allocator.check_invariants()
            play.master._topology.check_invariants()
    assert "\n".join(said) == expected


def test_agents_come_and_go() -> None:
    transcript(
        """
        > d1 asks for 4
          may hold 0
        > a1 beats
          calls d1
        > d1 asks for 4
          d1.1 at a1, d1.2 at a1, may hold 2
        > a1 beats using d1.1,d1.2
        > a2 beats executors 1
          calls d1
        > d1 asks for 2 holding 2
          d1.3 at a2, may hold 3
        > a2 leaves
        > d1 asks for 2 holding 2
          may hold 2
        > 14 s later
        > a2 beats
        > 2 s later
        > d1 asks for 2
          d1.4 at a2, may hold 1
        """
    )


def test_places_levels_and_memory() -> None:
    transcript(
        """
        > a1 beats in east/r1 executors 3
        > a2 beats in east/r2 executors 3 level 2
        > a3 beats in west/r1 executors 3 MB 100
        > d1 asks for 1
          d1.1 at a2, may hold 1
        > d1 asks for 3 near west MB 60 holding 1
          d1.2 at a3, d1.3 at a2, d1.4 at a2, may hold 4
        > d2 asks for 9 near east/r1 MB 500
          d2.1 at a1, d2.2 at a1, may hold 2
          calls d1
        > d1 asks for 0 holding 4
          may hold 3
        """
    )


def test_drivers_compete() -> None:
    transcript(
        """
        > a1 beats executors 4
        > d1 asks for 9
          d1.1 at a1, d1.2 at a1, d1.3 at a1, d1.4 at a1, may hold 4
        > a1 beats using d1.1,d1.2,d1.3,d1.4
        > d2 asks for 9
          may hold 2
          calls d1
        > d1 asks for 5 holding 4
          may hold 2
        > a1 beats using d1.1,d1.2
          calls d2
        > d1 asks for 7 holding 2
          may hold 2
        > d2 asks for 9
          d2.1 at a1, d2.2 at a1, may hold 2
        > d3 asks for 9 bid 200
          may hold 2
          calls d1, d2
        > d1 asks for 7 holding 2
          may hold 1
        > d2 gives back d2.2
          calls d3
        > d3 asks for 9 bid 200
          d3.1 at a1, may hold 2
        """
    )


def test_waiting_drivers_are_called_as_far_as_executors_are_free() -> None:
    """A driver is called once until it asks again."""
    transcript(
        """
        > a1 beats executors 4
        > d1 asks for 4
          d1.1 at a1, d1.2 at a1, d1.3 at a1, d1.4 at a1, may hold 4
        > a1 beats using d1.1,d1.2,d1.3,d1.4
        > d2 asks for 1
          may hold 1
          calls d1
        > d3 asks for 1
          may hold 1
        > d1 asks for 0 holding 4
          may hold 2
        > a1 beats using d1.1,d1.2,d1.3
          calls d2
        > a1 beats using d1.1,d1.2
          calls d3
        > a1 beats using d1.1
        > d3 asks for 1
          d3.1 at a1, may hold 1
        > d2 asks for 1
          d2.1 at a1, may hold 1
        > d4 asks for 1
          d4.1 at a1, may hold 1
        > d2 asks for 9
          may hold 1
        > 2 s later
        > d2 asks for 9 holding 1
          may hold 1
        > 2 s later
        > d1 asks for 0 holding 1
          may hold 1
        > d4 gives back d4.1
          calls d2
        > d3 gives back d3.1
        """
    )


def test_a_demand_not_repeated_is_not_called() -> None:
    transcript(
        """
        > a1 beats executors 1
        > d1 asks for 1
          d1.1 at a1, may hold 1
        > d2 asks for 1
          may hold 0
        > d1 gives back d1.1
          calls d2
        > d2 asks for 1
          d2.1 at a1, may hold 1
        > d3 asks for 1
          may hold 0
        > 4 s later
        > d2 gives back d2.1
        """
    )


def test_a_new_master_learns_the_leases_of_drivers() -> None:
    transcript(
        """
        > a1 beats executors 3
        > a2 beats executors 1
        > d1 asks for 9
          d1.1 at a1, d1.2 at a1, d1.3 at a1, d1.4 at a2, may hold 4
        > the master is another
        > a1 beats using d1.1,d1.2
        > d2 asks for 9
          d2.1 at a1, may hold 1
        > d1 asks for 5 holding 4
          may hold any
        > a2 beats using d1.4
        > d2 asks for 9 holding 1
          may hold 2
        > d1 asks for 5 holding 3
          may hold 2
        """
    )


def test_a_suspended_master_declares_no_agent_lost() -> None:
    """The master first reads messages sent during its suspension; dead agents time out later."""
    transcript(
        """
        > a1 beats
        > a2 beats
        > the master stands still for 60 s
        > d1 asks for 4
          d1.1 at a1, d1.2 at a2, d1.3 at a1, d1.4 at a2, may hold 4
        > a1 beats using d1.1,d1.3
        > 5 s later
        > d2 asks for 4
          may hold 1
        > a1 beats using d1.1,d1.3
        > d1 asks for 4
          may hold 1
        """
    )
