"""A row that kills its host at each attempt ends the run; the error names the row and the hosts."""

from __future__ import annotations

import threading

import pytest

from glowpy.driver.run import Run
from glowpy.errors import ExecutorsDied
from glowpy.testing import LocalCluster, started
from glowpy.timing import Timing
from glowpy.wire.run_messages import RowReported
from tests.faults.checks import BOUND_S

pytestmark = pytest.mark.slow
TIME_SCALE = 0.2


def test_the_last_attempts_row_is_known_after_the_loss_of_its_agent(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    timing, reported = Timing.from_environment()._replace(lost_agents=2), threading.Event()
    monkeypatch.setattr(Timing, "from_environment", lambda: timing)
    hear = Run._hear

    def spy(run: Run, agent: str, message: object, *more: object) -> None:
        hear(run, agent, message, *more)  # type: ignore[arg-type]
        if isinstance(message, RowReported):
            reported.set()

    monkeypatch.setattr(Run, "_hear", spy)
    faults = [cluster.hold_executor(5, step="Map1", task=0) for _attempt in range(2)]
    run = started(cluster.flow().slice(range(40, 50), 1).map(str).collect)
    hosts = []
    for fault in faults:
        hosts.append(cluster.agent_of(fault.wait()))
        if fault is faults[-1]:
            assert reported.wait(BOUND_S)
        cluster.kill_agent(hosts[-1])
    with pytest.raises(ExecutorsDied) as failure:
        run.result(BOUND_S)
    text = str(failure.value)
    assert "was running at the loss of its agent in each of 2 attempts: " in text
    assert all(f"{cluster.address_of(host)}: " in text for host in hosts)
    assert text.endswith("\nthe last row that it took: 45")
