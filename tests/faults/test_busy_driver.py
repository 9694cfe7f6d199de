"""A driver that is busy with its result still sends heartbeats and serves new executors."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from glowpy.driver.results import Rows
from glowpy.testing import LocalCluster
from tests.faults.checks import Notes

pytestmark = pytest.mark.slow


def test_a_result_of_many_blocks_is_taken_between_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receiving the result lasts longer than the heartbeat timeout; the driver is not lost.

    The agent is on the driver's own host, where no credit makes the driver pause.
    """
    add = Rows.add

    def slowly(rows: Rows, batch: list[Any]) -> None:
        threading.Event().wait(0.01)  # each of 400 blocks; a silent driver is dead after 3 s
        add(rows, batch)

    monkeypatch.setattr(Rows, "add", slowly)
    sizes = [1 << 20] * 400
    with LocalCluster(1, time_scale=0.1) as cluster, Notes() as notes:
        rows = cluster.flow().slice(range(400), 1).map(lambda row: bytes(1 << 20)).collect()
        assert list(map(len, rows)) == sizes
        assert "is lost" not in notes.getvalue(), notes.getvalue()
        assert cluster.recomputed() == {}
