"""A driver is killed while its program waits at a channel: for a row, or for room to send one."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from glowpy.testing import Faults, LocalCluster
from tests.faults.checks import assert_clean
from tests.faults.flows import EXPECTED, steps_of
from tests.processes import await_end, await_idle
from tests.processes import started as started_script

pytestmark = pytest.mark.slow

# The program says "waiting" once it is certain that it waits, and for good.
SCRIPT = """
import sys, threading, time
import glowpy
from glowpy import Channel, Flow

class Slow:
    is_being_kept = False

    def __reduce__(self):  # as a disk that does not answer keeps the run from taking rows
        Slow.is_being_kept = True
        threading.Event().wait()

def waits_in(name):
    frame, names = sys._current_frames()[threading.main_thread().ident], []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return "wait" in names and name in names

def tell(call):
    while not (waits_in(call) and (call == "receive" or Slow.is_being_kept)):
        time.sleep(0.01)
    print("waiting", flush=True)

rows, out = Channel(2), Channel()
flow = Flow()
flow.channel(rows, shards=3).map(abs).add_output(out)
glowpy.ready()
(call,) = glowpy.argv()
flow.start()
for row in (1, 2, 3):  # one for each task, which waits for more
    rows.send(row)
print("through:", sorted(out.receive() for _ in range(3)), flush=True)
threading.Thread(target=tell, args=(call,), daemon=True).start()
if call == "receive":
    out.receive()
while True:
    rows.send(Slow())
"""
AT_WORK = r"through: \[1, 2, 3\]\nwaiting\n"
PROMISED_S = 30.0


@pytest.mark.parametrize("call", ["receive", "send"])
def test_on_a_cluster(call: str, cluster: LocalCluster, tmp_path: Path) -> None:
    """Its executors end, its files go, and the agents' executors are free for others."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    with started_script(tmp_path, "script.py", *cluster.flags, call) as driver:
        driver.stdout.await_match(AT_WORK)
        pids = {attempt.pid for attempt in cluster.attempts()}
        assert pids
        driver.process.kill()
        killed_at = time.monotonic()
        assert driver.process.wait() == -signal.SIGKILL
        for pid in pids:
            await_end(pid)
        assert_clean(cluster)
        await_idle(cluster.leader)
        assert time.monotonic() - killed_at < PROMISED_S
        driver.finish()
        driver.await_nothing_left()
    assert sorted(steps_of(cluster.flow()).collect()) == EXPECTED


@pytest.mark.parametrize("call", ["receive", "send"])
def test_standalone(call: str, faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    with started_script(tmp_path, "script.py", "-glow.workers=3", call) as driver:
        driver.stdout.await_match(AT_WORK)
        pids = {attempt.pid for attempt in faults.attempts()}
        assert pids
        driver.process.kill()
        assert driver.finish().status == -signal.SIGKILL
        for pid in pids:
            await_end(pid)
        driver.await_nothing_left()
