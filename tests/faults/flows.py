"""A flow on three agents whose executors wait at a row while a test injects faults."""

from __future__ import annotations

from glowpy import Dataset, Flow
from glowpy.testing import ArmedFault, LocalCluster

MAPS, READS = "Input0>Map1>Partition_scatter2", "Partition_collect3>Map4"
EXPECTED = sorted((row % 50, row + 1) for row in range(300))


def steps_of(flow: Flow) -> Dataset:
    """Three producers, one for each agent, and three readers of all producers."""
    return (
        flow.slice(range(300), 3)
        .map(lambda row: (row % 50, row))
        .partition(3)
        .map(lambda pair: (pair[0], pair[1] + 1))
    )


def held(cluster: LocalCluster, step: str, at_row: int = 0) -> list[ArmedFault]:
    """Arm three executors to wait at a row of a step: each has one task, at a separate agent."""
    return [cluster.hold_executor(at_row, step=step, task=task) for task in range(3)]


def agents_of(cluster: LocalCluster, faults: list[ArmedFault]) -> list[int]:
    """Wait until the executors reach the row and return their agents."""
    return [cluster.agent_of(fault.wait()) for fault in faults]


def release(faults: list[ArmedFault]) -> None:
    for fault in faults:
        fault.release()


def again(cluster: LocalCluster, steps: str) -> dict[int, int]:
    """Number of repeated starts of each task of a step group."""
    found = cluster.recomputed().items()
    return {int(name.split()[-1]): n for name, n in found if name.startswith(steps)}
