"""A driver is killed while its program waits at a channel: for a row, or for room to send a row."""

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

# The program prints "waiting" when it is blocked for good.
SCRIPT = """
import threading
import glowpy
from glowpy import Channel, Flow

class Watched(Channel):
    is_waiting = is_forsaken = False

    def _wait(self, *words):
        self.is_waiting = True
        self.tell()
        super()._wait(*words)
        self.is_waiting = False

    def forsake(self, row_count):
        with self._changed:
            self.is_forsaken = True
            if len(self._rows) == row_count:  # else it goes on, and waits again
                self.tell()

    def tell(self):
        if self.is_waiting and self.is_forsaken:
            print("waiting", flush=True)

class Slow:
    def __deepcopy__(self, memo):  # by send()
        return self

    def __reduce__(self):  # as a disk that does not answer keeps the run from taking rows
        rows.forsake(2)
        threading.Event().wait()

rows, out = Watched(2), Watched()
flow = Flow()
flow.channel(rows, shards=3).map(abs).add_output(out)
glowpy.ready()
(call,) = glowpy.argv()
flow.start()
for row in (1, 2, 3):  # one for each task, which waits for more
    rows.send(row)
print("through:", sorted(out.receive() for _ in range(3)), flush=True)
if call == "receive":
    out.forsake(0)
    out.receive()
while True:
    rows.send(Slow())
"""
AT_WORK = r"through: \[1, 2, 3\]\n(waiting\n)+"
PROMISED_S = 30.0


@pytest.mark.parametrize("call", ["receive", "send"])
def test_on_a_cluster(call: str, cluster: LocalCluster, tmp_path: Path) -> None:
    """The executors end, the files are deleted, and the executors are free for other runs."""
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
        await_idle(cluster.leader, cluster.key_file)
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
