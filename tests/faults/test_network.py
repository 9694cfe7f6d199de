"""Networks between driver, agents and readers that are slow, cut, or blocked in one direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from glowpy import Dataset, Flow
from glowpy.testing import LocalCluster, started
from tests.faults.checks import BOUND_S, Notes, assert_clean
from tests.faults.flows import EXPECTED, MAPS, again, agents_of, held, release, steps_of
from tests.faults.proxy import Proxy, Way, proxy

pytestmark = pytest.mark.slow

TIME_SCALE = 0.2
DEALS = "Input0>Map1>RoundRobin_scatter2"  # of `large`
LARGE = sorted((row, 1 << 20) for row in range(120))


class Net:
    """Three agents, each behind a separate proxy that carries all its connections."""

    def __init__(self, cluster: LocalCluster, proxies: list[Proxy]) -> None:
        self.cluster = cluster
        self.proxies = proxies

    def heal(self) -> None:
        for each in self.proxies:
            each.heal()


@pytest.fixture(scope="module")
def whole_net() -> Iterator[Net]:
    with ExitStack() as stack:
        cluster = stack.enter_context(LocalCluster(0, time_scale=TIME_SCALE))
        proxies = []
        for number in range(3):
            proxies.append(stack.enter_context(proxy(f"127.0.0.{number + 1}")))
            agent = cluster.add_agent(advertise=proxies[-1].address)
            proxies[-1].target = cluster.address_of(agent)
        yield Net(cluster, proxies)


@pytest.fixture
def net(whole_net: Net) -> Iterator[Net]:
    whole_net.heal()
    whole_net.cluster.restore()
    yield whole_net
    whole_net.heal()
    whole_net.cluster.faults.disarm()
    assert_clean(whole_net.cluster)


def large(flow: Flow) -> Dataset:
    """Each reader pulls 20 MiB from each agent, more than its credit."""
    rows = flow.slice(range(120), 3).map(lambda row: bytes([row]) * (1 << 20))
    return rows.round_robin(2).map(lambda row: (row[0], len(row)))


def test_a_slow_network_costs_time_only(net: Net) -> None:
    for each in net.proxies:
        each.delay_s = 0.05
    assert sorted(steps_of(net.cluster.flow()).collect()) == EXPECTED
    assert net.cluster.recomputed() == {}


def test_the_connections_of_an_agent_are_cut(net: Net) -> None:
    """The driver declares the agent lost, connects again and uses the agent for new groups."""
    faults = held(net.cluster, "Map1", at_row=50)
    run = started(steps_of(net.cluster.flow()).collect)
    victim = net.proxies[agents_of(net.cluster, faults)[1]]
    with Notes() as notes:
        victim.cut()
        notes.wait_for(f"agent {victim.address} is lost: the connection was closed")
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert victim.cut_count > 0
    assert again(net.cluster, MAPS) == {1: 1}


def test_an_agent_cannot_be_reached_any_more(net: Net) -> None:
    """Packets of new connections are dropped as well; other agents compute the agent's groups."""
    faults = held(net.cluster, "Map1", at_row=50)
    run = started(steps_of(net.cluster.flow()).collect)
    victim = net.proxies[agents_of(net.cluster, faults)[1]]
    victim.is_refusing = True
    victim.cut()
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(net.cluster, MAPS) == {1: 1}


@pytest.mark.parametrize("size_bytes", [100_000, 2_500_000])
def test_a_message_is_cut_in_its_middle(net: Net, size_bytes: int) -> None:
    """A reader's connection ends within a frame; the partial message is dropped."""
    for each in net.proxies:
        each.cut_after(size_bytes, Way.FROM_SERVER)
    assert sorted(large(net.cluster.flow()).collect()) == LARGE
    assert sum(each.cut_count for each in net.proxies) > 0
    assert net.cluster.recomputed() != {}


@pytest.mark.parametrize("way", list(Way))
def test_one_direction_swallows_everything(net: Net, way: Way) -> None:
    """The connection stays open without heartbeats; the driver declares the agent lost in time."""
    faults = held(net.cluster, "Map1", at_row=50)
    run = started(steps_of(net.cluster.flow()).collect)
    victim = net.proxies[agents_of(net.cluster, faults)[1]]
    with Notes() as notes:
        victim.swallows.add(way)
        notes.wait_for(f"agent {victim.address} is lost: ")
    release(faults)
    assert sorted(run.result(BOUND_S)) == EXPECTED
    assert again(net.cluster, MAPS) == {1: 1}


@pytest.mark.parametrize("way", list(Way))
def test_readers_are_swallowed(net: Net, way: Way) -> None:
    """The traffic is swallowed in the middle of a pull.

    Only the new attempts after that count: on a busy host, an agent may have been lost before.
    """
    readers = [net.cluster.hold_executor(1, step="Map4", task=task) for task in range(2)]
    run = started(large(net.cluster.flow()).collect)
    for each in readers:
        each.wait()
    writers = [each.host for each in net.cluster.attempts() if each.name == f"{DEALS} task 2"]
    victim = net.proxies[int(writers[-1][-1]) - 1]
    before = again(net.cluster, DEALS).get(2, 0)
    victim.swallows.add(way)
    release(readers)
    assert sorted(run.result(BOUND_S)) == LARGE
    assert again(net.cluster, DEALS).get(2, 0) > before, (victim.address, net.cluster.attempts())
