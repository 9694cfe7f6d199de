"""Processes that are suspended for a long time and continue: the run completes."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from glowpy.driver.clock import ListeningClock
from tests.gate import SCRIPT, Gate
from tests.processes import server, started

# The rows wait for the test, which sets the duration of the run.
HELD = (
    SCRIPT
    + """
def hold(row):
    pass_gate("held", row)
    return row % 3, row

rows = Flow().slice(range(12), 4).map(hold)
print(rows.partition(3).reduce_by_key(lambda x, y: x + y).collect())
"""
)
SUMS = "[(0, 18), (1, 22), (2, 26)]"


@pytest.mark.slow
@pytest.mark.parametrize("suspended", ["agent", "driver"])
def test_a_returning_agent_is_used_again(
    suspended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.2")
    (tmp_path / "script.py").write_text(HELD, encoding="utf-8")
    with ExitStack() as stack, Gate() as gate:
        leader = stack.enter_context(server(tmp_path, "master", "--address", "127.0.0.1:0")).address
        words = ["--master", leader, "--port", "0", "--max.executors", "2"]
        agent = stack.enter_context(server(tmp_path, "agent", *words, "--dir", str(tmp_path / "a")))
        flags = ["-glow", f"-glow.leader={leader}", gate.port]
        driver = stack.enter_context(started(tmp_path, "script.py", *flags))
        gate.wait_for(held=2)
        process = driver.process if suspended == "driver" else agent.process
        process.send_signal(signal.SIGSTOP)
        if suspended == "driver":
            agent.log.await_match("run .* is over")  # the agent has declared the driver lost
        else:
            driver.stderr.await_match("agent .* is lost")
        process.send_signal(signal.SIGCONT)
        gate.open()
        ended = driver.finish()
    assert ended.status == 0, ended.stderr
    assert ended.stdout == f"{SUMS}\n"


def test_a_clock_stands_still_between_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    real = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: real)
    clock = ListeningClock(most_step_s=2.0)
    seen = []
    for real in (100.5, 102.0, 142.0, 142.5):  # noqa: B007  # `monotonic` reads it
        seen.append(clock())
    assert seen == [100.5, 102.0, 104.0, 104.5]
