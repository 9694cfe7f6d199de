"""Inline runs in a debugger: frames, terminal and exceptions of the user, on one thread."""

from __future__ import annotations

import signal
import threading
import traceback
from pathlib import Path

import pytest

from glowpy import Channel, Flow
from glowpy.errors import TaskFailed
from tests.processes import BOUND_S, started

# Flows without channels run group after group, flows with channels on a fleet of one executor.
WITH_CHANNELS = pytest.mark.parametrize("has_channel", [False, True], ids=["plain", "channel"])

SCRIPT = """
import sys, threading
from glowpy import Channel, Flow

def work(row):
    {body}
    return row

flow, out = Flow(["-glow.inline"]), Channel()
rows = flow.slice([7], 1).map(work)
if sys.argv[1:] == ["channel"]:
    rows.add_output(out)
    reader = threading.Thread(target=lambda: print("received", list(out)))
    reader.start()
    flow.run()
    reader.join()
else:
    print("received", rows.collect())
"""


def script(directory: Path, body: str) -> str:
    (directory / "script.py").write_text(SCRIPT.format(body=body), encoding="utf-8")
    return "script.py"


@WITH_CHANNELS
def test_a_breakpoint_reads_and_writes_the_terminal(has_channel: bool, tmp_path: Path) -> None:
    words = ["channel"] if has_channel else []
    with started(tmp_path, script(tmp_path, "breakpoint()"), *words, stdin="p row * 6\nc\n") as it:
        ended = it.finish()
    assert ended.status == 0, ended.stderr
    assert "-> return row" in ended.stdout
    assert "(Pdb) 42\n" in ended.stdout
    assert ended.stdout.endswith("received [7]\n")


@WITH_CHANNELS
def test_ctrl_c_ends_in_the_frame_of_the_function(has_channel: bool, tmp_path: Path) -> None:
    body = "print('at work', flush=True); threading.Event().wait()"
    words = ["channel"] if has_channel else []
    with started(tmp_path, script(tmp_path, body), *words) as running:
        running.stdout.await_match("at work")
        running.process.send_signal(signal.SIGINT)
        ended = running.finish()
    assert ended.status != 0
    assert ended.stderr.splitlines()[-1] == "KeyboardInterrupt" or has_channel
    assert ", in work\n" in ended.stderr


@WITH_CHANNELS
def test_a_failure_has_the_exception_itself_with_its_frames(has_channel: bool) -> None:
    raised: list[BaseException] = []

    def work(row: int) -> int:
        try:
            return 1 // row
        except ZeroDivisionError as exc:
            raised.append(exc)
            raise

    flow = Flow(["-glow.inline", "-glow.quiet"])
    rows = flow.slice([0], 1).map(work)
    if has_channel:
        rows.add_output(Channel())
    with pytest.raises(TaskFailed, match="ZeroDivisionError") as failure:
        flow.run() if has_channel else rows.collect()
    assert failure.value.__cause__ is raised[0]
    frames = [frame.name for frame in traceback.extract_tb(raised[0].__traceback__)]
    assert frames[-1] == "work"


@WITH_CHANNELS
def test_functions_run_in_the_thread_that_calls_the_flow(has_channel: bool) -> None:
    threads: list[threading.Thread] = []
    flow, out = Flow(["-glow.inline"]), Channel(capacity=100)
    rows = flow.slice(range(20), 4).map(lambda row: threads.append(threading.current_thread()))
    if has_channel:
        rows.add_output(out)
    flow.run() if has_channel else rows.collect()
    assert set(threads) == {threading.current_thread()}
    assert len(threads) == 20


@pytest.mark.parametrize("flags", [(), ("-glow.flow.stat=json",)], ids=["loop", "fleet"])
def test_take_runs_no_group_that_it_does_not_need(
    flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    flow = Flow(["-glow.inline", *flags])

    def note(row: int) -> int:
        seen.append(row)
        return row

    rows = flow.slice(range(100), 10).map(note)
    assert len(rows.take(15)) == 15
    assert len(seen) <= 20, "of two shards of ten rows"


@pytest.mark.parametrize("flags", [(), ("-glow.flow.stat=json",)], ids=["loop", "fleet"])
def test_a_failure_behind_the_rows_that_take_needs_does_not_count(
    flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    flow = Flow(["-glow.inline", *flags])
    assert flow.slice(range(100), 10).map(lambda row: 1 // (55 - row)).take(5) == [0] * 5


def test_an_inline_run_of_a_thread_ends_when_its_handle_is_cancelled() -> None:
    at_work, channel = threading.Event(), Channel()

    def work(row: int) -> int:
        at_work.set()
        return row

    flow = Flow(["-glow.inline"])
    flow.channel(channel).map(work).add_output(Channel())
    handle = flow.start()
    channel.send(1, BOUND_S)
    assert at_work.wait(BOUND_S)
    handle.cancel()
    with pytest.raises(Exception, match="cancel"):
        handle.wait(BOUND_S)
