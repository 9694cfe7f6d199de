"""A cluster of three agents for the tests of one file, complete again before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glowpy.testing import Faults, LocalCluster
from tests.faults.checks import assert_clean
from tests.faults.place import Place


@pytest.fixture(scope="module")
def shared_cluster(request: pytest.FixtureRequest) -> Iterator[LocalCluster]:
    """Start three agents, with intervals scaled by the module's TIME_SCALE, if defined."""
    scale = getattr(request.module, "TIME_SCALE", None)
    with LocalCluster(3, time_scale=scale) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """Three agents with one executor each, on separate hosts; killed agents are started again."""
    shared_cluster.restore()
    yield shared_cluster
    shared_cluster.faults.disarm()
    assert_clean(shared_cluster)


@pytest.fixture
def faults() -> Iterator[Faults]:
    """Faults for standalone runs."""
    with Faults() as faults:
        yield faults


@pytest.fixture(params=["standalone", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """Three executors, standalone or on a cluster."""
    if request.param == "cluster":
        cluster: LocalCluster = request.getfixturevalue("cluster")
        return Place(cluster.flags, cluster.faults)
    return Place(["-glow.workers=3"], request.getfixturevalue("faults"))
