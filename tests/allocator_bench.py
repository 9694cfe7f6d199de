"""A bench for the allocator: a clock, agents with heartbeats, drivers that request executors."""

from __future__ import annotations

from collections import Counter
from itertools import count

from glowpy.locality import Place
from glowpy.master.allocator import Allocator
from glowpy.master.topology import Agent
from glowpy.wire.messages import AskExecutors, Grants, Lease, LeaseInUse

LEASE_S = 15.0
DEMAND_S = 3.0
TURN_S = 10.0


def agent(
    name: str, executors: int = 2, memory_mb: int = 1024, dc: str = "dc", rack: str = "r"
) -> Agent:
    return Agent(name, f"{name}:8931", Place(dc, rack, name), 1, executors, memory_mb)


class Bench:
    """An allocator with a clock, agents with heartbeats, and drivers that request executors."""

    def __init__(self, *agents: Agent) -> None:
        numbers = count(1)
        self.allocator = Allocator(
            lease_s=LEASE_S,
            demand_s=DEMAND_S,
            turn_s=TURN_S,
            mint=lambda: f"lease-{next(numbers)}",
        )
        self.driver_of: dict[str, str] = {}  # by lease
        self.now = 0.0
        self.agents = {each.agent: each for each in agents}
        for each in agents:
            self.report(each.agent)

    def report(self, name: str, *leases: Lease | str) -> None:
        used = [
            LeaseInUse(lease, "before", 0)
            if isinstance(lease, str)
            else LeaseInUse(lease.lease, self.driver_of[lease.lease], lease.memory_mb)
            for lease in leases
        ]
        self.allocator.hear(self.agents[name], used, self.now)
        self.allocator.check_invariants()

    def grants(
        self,
        wanted: int,
        driver: str = "d",
        memory_mb: int = 64,
        dc: str = "",
        rack: str = "",
        bid: float = 100.0,
        held: int = 0,
    ) -> Grants:
        ask = AskExecutors(driver, wanted, held, memory_mb, dc, rack, bid)
        grants = self.allocator.ask(ask, self.now, driver.encode())
        self.allocator.check_invariants()
        self.driver_of.update({lease.lease: driver for lease in grants.leases})
        return grants

    def ask(
        self, wanted: int, driver: str = "d", memory_mb: int = 64, dc: str = "", rack: str = ""
    ) -> list[Lease]:
        return list(self.grants(wanted, driver, memory_mb, dc, rack).leases)

    def give_back(self, leases: list[Lease]) -> None:
        self.allocator.give_back([lease.lease for lease in leases])
        self.allocator.check_invariants()


def spread(leases: list[Lease]) -> dict[str, int]:
    return dict(Counter(lease.agent for lease in leases))
