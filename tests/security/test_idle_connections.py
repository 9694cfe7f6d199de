"""Idle connections of strangers keep no run from finishing.

benchmarks/attacks.py has the figures of 5,000 on each server.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import run, server

pytestmark = pytest.mark.slow
MOST = 1000  # on each server
SCRIPT = "from glowpy import Flow\nprint(Flow().slice(range(100), 4).partition(3).count())\n"


@pytest.fixture
def descriptors() -> Iterator[int]:
    """Number of connections to each of two servers that this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(MOST, hard // 4)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_run_finishes_beside_idle_connections(descriptors: int, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "agent")]
    with (
        server(tmp_path, "master", "--address", "127.0.0.1:0") as master,
        server(tmp_path, "agent", "--master", master.address, *place) as agent,
        ExitStack() as strangers,
    ):
        for served in (master, agent):
            port = int(served.address.rpartition(":")[2])
            for _ in range(descriptors):
                strangers.enter_context(socket.create_connection(("127.0.0.1", port)))
        ended = run(tmp_path, "script.py", "-glow", f"-glow.leader={master.address}")
        assert ended.stdout == "100\n"
