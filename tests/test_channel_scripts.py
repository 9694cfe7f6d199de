"""Scripts that start flows with channels, in every mode: their end, and code that runs once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.processes import (
    IN_EVERY_MODE,
    IN_MOST_MODES,
    ON_THE_CLUSTER,
    flags_of,
    run,
    started,
)
from tests.test_script_modes import assert_announced

LOOP = """
import os
from glowpy import Channel, Flow

source, out = Channel(), Channel()
flow = Flow()
flow.channel(source, shards=2).map(lambda x: x + 1).add_output(out)
run = flow.start()
print("in the driver", flush=True)
"""
ANSWERED = """
source.send(1)
print("answer", next(out), flush=True)
"""


@IN_EVERY_MODE
def test_nothing_below_start_runs_in_a_task(mode: str, cluster: str, tmp_path: Path) -> None:
    text = LOOP + ANSWERED + "source.close()\nrun.wait()\nprint('whole', list(out))\n"
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster))
    assert_announced(mode, ended)
    assert ended.stdout == "in the driver\nanswer 2\nwhole []\n"


@IN_EVERY_MODE
@pytest.mark.slow
def test_ctrl_c_ends_a_flow_whose_channel_is_never_closed(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    text = LOOP + ANSWERED + "print('waiting', flush=True)\nprint(next(out))\n"
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    with started(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet") as running:
        running.stdout.await_match("waiting")
        os.killpg(running.process.pid, signal.SIGINT)
        ended = running.finish()
        assert ended.status == -signal.SIGINT, running.so_far()
        assert ended.stderr.rstrip().endswith("KeyboardInterrupt"), ended.stderr


@IN_MOST_MODES
@pytest.mark.slow
def test_ctrl_c_ends_a_run_that_others_feed(mode: str, cluster: str, tmp_path: Path) -> None:
    text = """
import glowpy, threading
from glowpy import Channel, Flow

source, out = Channel(), Channel()
flow = Flow()
flow.channel(source).add_output(out)
glowpy.ready()

def feed():
    source.send("row")
    print(next(out), flush=True)

threading.Thread(target=feed, daemon=True).start()
flow.run()
"""
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    with started(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet") as running:
        running.stdout.await_match("row")
        os.killpg(running.process.pid, signal.SIGINT)
        ended = running.finish()
        assert ended.status == -signal.SIGINT, running.so_far()


@IN_MOST_MODES
def test_a_run_that_still_goes_on_at_the_end_is_cancelled(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(LOOP + ANSWERED, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster))
    assert ended.stdout == "in the driver\nanswer 2\n"
    assert "a flow that was started was still running when the program ended" in ended.stderr
    assert ended.stderr.count("\n") == 1 + (mode == "own cluster"), ended.stderr


def test_an_unseen_failure_is_reported_at_exit(tmp_path: Path) -> None:
    text = """
from glowpy import Channel, Flow

flow = Flow()
flow.slice([0]).map(lambda x: 1 // x)
run = flow.start()
while run.is_running:
    pass
"""
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    ended = run(tmp_path, "script.py", "-glow.quiet", status=1)
    assert "glowpy: a flow that was started has failed: Map1 (script.py:5)" in ended.stderr


SECOND = """
import glowpy
from glowpy import Channel, Flow

source, out = Channel(), Channel()
flow = Flow()
flow.channel(source).map(lambda x: x + 1).add_output(out)
{ready}run = flow.start()
source.send(1)
print("answer", next(out))
source.close()
run.wait()
print(flow.slice([3]).map(lambda x: x + 1).collect())
"""


@pytest.mark.slow
@ON_THE_CLUSTER
def test_a_run_after_a_loop_needs_ready(mode: str, cluster: str, tmp_path: Path) -> None:
    """A task of the second run would have to run the loop again, which is impossible."""
    (tmp_path / "script.py").write_text(SECOND.format(ready=""), encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster), "-glow.quiet", status=1)
    assert ended.stdout == "answer 2\n"
    assert "call glowpy.ready() before start()" in ended.stderr


FULL_DISK = """
import resource
from glowpy import Channel, Flow
from glowpy.errors import GlowError

source = Channel(10)
flow = Flow()
flow.channel(source).map(len)
run = flow.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    for number in range(1000):
        source.send(bytes([number % 251]) * 100_000)
except GlowError as exc:
    print(type(exc).__name__, exc)
try:
    run.wait()
except GlowError as exc:
    print(type(exc).__name__, exc)
"""


@pytest.mark.parametrize("flags", [[], ["-glow.inline"]], ids=str)
def test_a_full_disk_ends_the_run_and_its_senders(flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(FULL_DISK, encoding="utf-8")
    said = run(tmp_path, "script.py", *flags).stdout.splitlines()
    assert len(said) == 2 and said[0] == said[1]
    assert said[0].startswith("OutputError cannot write shard data to ")
    assert said[0].endswith("File too large")
