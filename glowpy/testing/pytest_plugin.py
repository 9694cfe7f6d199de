"""Pytest fixtures for flows. To load them, write in conftest.py

    pytest_plugins = ["glowpy.testing.pytest_plugin"]

| fixture          | value                                                                        |
|------------------|------------------------------------------------------------------------------|
| `glowpy_flow`    | makes a flow; each test runs inline, standalone and on a real cluster        |
| `glowpy_cluster` | a `LocalCluster` of three agents, restored before each test                  |
| `glowpy_faults`  | `Faults` for standalone runs                                                 |

One cluster serves the whole session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from glowpy.flow.flow import Flow
from glowpy.testing.cluster import LocalCluster
from glowpy.testing.faults import Faults

_RUNNERS = ["inline", "standalone", "cluster"]


@pytest.fixture(scope="session")
def glowpy_session_cluster() -> Iterator[LocalCluster]:
    """The cluster shared by all tests of the session; tests use `glowpy_cluster`."""
    with LocalCluster(agents=3) as cluster:
        yield cluster


@pytest.fixture
def glowpy_cluster(glowpy_session_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """Three agents with one executor each, restored before each test."""
    glowpy_session_cluster.restore()
    yield glowpy_session_cluster
    glowpy_session_cluster.faults.disarm()


@pytest.fixture
def glowpy_faults() -> Iterator[Faults]:
    """Faults for the executors of standalone runs."""
    with Faults() as faults:
        yield faults


@pytest.fixture(params=_RUNNERS)
def glowpy_flow(request: pytest.FixtureRequest) -> Callable[..., Flow]:
    """Return a function that makes a flow, with the flags given, for one of the three runners."""
    flags = ["-glow.inline"] if request.param == "inline" else []
    if request.param == "cluster":
        flags = request.getfixturevalue("glowpy_cluster").flags
    return lambda *more_flags: Flow([*flags, *more_flags])
