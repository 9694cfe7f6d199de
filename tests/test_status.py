"""`glowpy status`: the state of a master as text and as JSON, once or repeatedly."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glowpy.cli.status import to_json, to_lines
from glowpy.master import status
from glowpy.master.allocator import Allocator
from glowpy.master.master import Master
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.coding import Coder
from glowpy.wire.frame_bounds import MAX_FRAME_BYTES
from glowpy.wire.messages import MESSAGES
from glowpy.wire.status_messages import STATUS_MESSAGES, AskStatus, Status
from tests.gate import SCRIPT, Gate
from tests.processes import Served, await_idle, flags_of, run, server, started, unused_address
from tests.terminal import on_terminal
from tests.test_master_server import ASK, BEAT

FREE = "127.0.0.1:0"


# --- the answer ---------------------------------------------------------------------------------


def answer(master: Master, now: float, most: int = 100) -> Status:
    told = master.handle(AskStatus(most), now)
    assert isinstance(told, Status)
    return told


def test_status_shows_agents_and_runs() -> None:
    master = Master(Timing(), 100.0)
    master.handle(BEAT._replace(cores=8), 101.0)
    other = BEAT._replace(agent="b", address="127.0.0.2:1", executor_limit=3, memory_mb=10)
    master.handle(other, 102.0)
    master.handle(ASK._replace(script="x.py at h", module="m"), 103.0)
    told = answer(master, 103.5)
    assert told[:6] == (3.5, 2, 1, 5, 2, 2)
    first, second = told.agents
    assert (first.address, first.cores, first.silent_s) == ("127.0.0.1:8931", 8, 2.5)
    assert (first.executor_limit, first.executors_busy) == (2, 2)
    assert (first.memory_mb, first.memory_used_mb) == (1024, 128)
    assert (second.address, second.executors_busy, second.silent_s) == ("127.0.0.2:1", 0, 1.5)
    assert told.runs == (("d", "x.py at h", 100.0, 2, 2, 64, 0.5, "m"),)
    assert answer(master, 103.0 + 3.1).executors_wanted == 0, "a demand not repeated is over"


def test_a_driver_without_executors_is_no_run() -> None:
    master = Master(Timing(), 0.0)
    master.handle(ASK._replace(executor_count=0), 1.0)
    assert answer(master, 1.0).runs_known == 0


def test_the_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """For any number of agents and runs, and names of any length."""
    most_in_a_message = status.MOST_LISTED
    monkeypatch.setattr(status, "MOST_LISTED", 50)
    master = Master(Timing(), 0.0)
    long = "\U0001f600" * 300
    for number in range(60):
        name = f"{number:06}{long}"
        master.handle(
            BEAT._replace(
                agent=name, address=f"127.1.1.1:{1 + number}", data_center=long, rack=long
            ),
            0.0,
        )
        master.handle(ASK._replace(driver=name, executor_count=1, script=long, module=long), 0.0)
    for most, listed in ((10**9, 50), (3, 3), (0, 0), (-5, 0)):
        told = answer(master, 0.0, most)
        assert (len(told.agents), told.agents_known) == (listed, 60)
        assert (len(told.runs), told.runs_known) == (listed, 60)
        data = Coder({**MESSAGES, **STATUS_MESSAGES}).encode(told)
        assert len(data) / 50 * most_in_a_message < MAX_FRAME_BYTES


def test_an_agent_that_missed_a_heartbeat_is_late() -> None:
    timing = Timing()
    master = Master(timing, 0.0)
    master.handle(BEAT, 0.0)
    assert not answer(master, timing.heartbeat_s + 0.9).agents[0].is_late
    told = answer(master, timing.heartbeat_s + 1.5)
    assert told.agents[0].is_late
    assert to_lines(Address("h", 1), told)[3].endswith("  6.5 s ago, late")
    assert json.loads(to_json(told))["agents"][0]["is_late"] is True


def test_lines_of_80_columns_keep_the_heartbeat_and_the_demand() -> None:
    master = Master(Timing(), 0.0)
    for number in range(3):
        address = f"worker-{number}.example.com:8931"
        master.handle(BEAT._replace(agent=address, address=address, rack="r" * 40), 0.0)
    script = f"{'long_name' * 9}.py at {'host' * 9}"
    master.handle(ASK._replace(script=script, module="nightly"), 0.0)
    told = answer(master, 7.0)
    for width in (80, 60):
        lines = to_lines(Address("master.example.com", 8930), told, width)
        assert max(map(len, lines)) <= width
        agents, runs = [lines[n:] for n, line in enumerate(lines) if not line][:2]
        assert agents[1].split()[-2:] == ["last", "heartbeat"]
        assert all(line.endswith("7.0 s ago, late") for line in agents[2:5])
        assert "wanted" in runs[1] and "long_name" in runs[2]
        assert lines[-1].endswith("--json has them") or "--json has them" in " ".join(lines[-2:])
    assert "r" * 40 in "\n".join(to_lines(Address("h", 1), told)), "elsewhere nothing is left out"


def test_asking_changes_nothing() -> None:
    master = Master(Timing(), 0.0)
    master.handle(BEAT, 0.0)
    master.handle(ASK, 0.0)
    allocator: Allocator = master._allocator
    assert answer(master, 1.0) == answer(master, 1.0)
    allocator.check_invariants()


# --- the command --------------------------------------------------------------------------------

AT_WORK = (
    SCRIPT
    + """
Flow().slice(range(2), 2).map(lambda row: pass_gate("work", row)).run()
"""
)


def output_of(address: str, *words: str) -> str:
    """The output of the command while the cluster is busy."""
    command = [sys.executable, "-m", "glowpy", "status", "--master", address, *words]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def status_of(address: str, *words: str) -> Any:
    return json.loads(output_of(address, "--json", *words))


@pytest.mark.slow
def test_agents_and_runs(cluster: str, tmp_path: Path) -> None:
    """While a run holds executors, and after the run."""
    (tmp_path / "script.py").write_text(AT_WORK, encoding="utf-8")
    await_idle(cluster)
    flags = [*flags_of("cluster", cluster), "-glow.module=nightly"]
    with Gate() as gate, started(tmp_path, "script.py", gate.port, *flags) as running:
        gate.wait_for(work=2)
        told = status_of(cluster)
        words = output_of(cluster)
        gate.open()
        assert running.finish().status == 0
    assert (told["agents_known"], told["executors_known"], told["executors_busy"]) == (3, 3, 2)
    hosts = {agent["address"].partition(":")[0] for agent in told["agents"]}
    assert hosts == {"127.0.0.1", "127.0.0.2", "127.0.0.3"}
    assert sum(agent["executors_busy"] for agent in told["agents"]) == 2
    assert all(agent["cores"] >= 1 and agent["silent_s"] < 15 for agent in told["agents"])
    (one,) = told["runs"]
    assert (one["executors_held"], one["memory_mb"], one["bid"]) == (2, 64, 100.0)
    assert one["script"].startswith("script.py at ") and one["module"] == "nightly"
    head, _, titles, *rows = words.splitlines()
    assert re.fullmatch(
        rf"master {cluster}, up .*: 3 agents, 3 executors \(2 busy, 1 free\); 1 run, .* wanted",
        head,
    )
    assert titles.split()[:5] == ["agent", "place", "cores", "executors", "busy"]
    assert rows[0].startswith("127.0.0.1:") and rows[-1].startswith(one["run"])
    assert rows[-2].split()[-1] == "module" and rows[-1].endswith("  nightly")


@pytest.mark.slow
def test_a_terminal_of_80_columns(cluster: str, tmp_path: Path) -> None:
    await_idle(cluster)
    words = ("-m", "glowpy", "status", "--master", cluster)
    with on_terminal(tmp_path, *words, size=(80, 24)) as terminal:
        assert terminal.finish() == 0
    text = terminal.text()
    assert re.search(r"(?m)^agent .* busy  free .* last heartbeat$", text), text
    assert len(re.findall(r"(?m)^127\.0\.0\.\d:\d+ .* ago(, late)?$", text)) == 3, text
    with on_terminal(tmp_path, *words, "--watch", size=(80, 6)) as terminal:
        terminal.await_match(r"(?m)^and \d more lines: the terminal is too low$")
        terminal.press(b"\x03")
        assert terminal.finish() == 0


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Served]:
    with server(tmp_path, "master", "--address", FREE) as served:
        yield served


def test_a_master_without_agents(master: Served, tmp_path: Path) -> None:
    words = run(tmp_path, "-m", "glowpy", "status", "--master", master.address)
    assert "0 agents, 0 executors (0 busy, 0 free); 0 runs" in words.stdout
    assert len(words.stdout.splitlines()) == 1 and words.stderr == ""


@pytest.mark.slow
def test_watching_goes_on_until_ctrl_c(master: Served, tmp_path: Path) -> None:
    words = ("-m", "glowpy", "status", "--master", master.address, "--watch", "--pause", "0.1")
    with on_terminal(tmp_path, *words) as terminal:
        first = terminal.await_match(r"master \S+, up (.*?): 0 agents")[1]
        terminal.await_match(rf"master \S+, up (?!{re.escape(first)})")
        terminal.press(b"\x03")
        assert terminal.finish() == 0
    assert terminal.text().count("master") == 1, "it is drawn in its place"
    with started(tmp_path, *words, "--json") as running:
        running.stdout.await_match(r"(?m)^\{.*\}$", 3)
        running.process.send_signal(signal.SIGINT)
        ended = running.finish()
    assert ended.status == 0 and ended.stderr == ""
    assert all(json.loads(line)["agents"] == [] for line in ended.stdout.splitlines())


@pytest.mark.slow
def test_watching_a_master_that_is_restarted(tmp_path: Path) -> None:
    """Including a time with another master, which refuses the key."""
    fast = {"GLOWPY_TIME_SCALE": "0.05"}
    with server(tmp_path, "master", "--address", FREE) as served:
        address = served.address
        words = ("-m", "glowpy", "status", "--master", address, "--watch", "--pause", "0.1")
        watching = started(tmp_path, *words, environment=fast)
        running = watching.__enter__()
        running.stdout.await_match("0 agents", 1)
        served.process.kill()
        served.process.wait()
        served.process.returncode = 0  # the exit status that the fixture expects
    running.stdout.await_match(f"no master (answers )?at {address}")
    said = running.stdout.text.count("0 agents")
    key = str(tmp_path / "key")
    run(tmp_path, "-m", "glowpy", "keys", key)
    with server(tmp_path, "master", "--address", address, "--key-file", key):
        running.stdout.await_match("refuses your key", 2)  # a new request, from the beginning
    with server(tmp_path, "master", "--address", address):
        running.stdout.await_match("0 agents", said + 1)
        running.process.send_signal(signal.SIGTERM)
        assert running.finish().status == 0
        watching.__exit__(None, None, None)


@pytest.mark.slow
def test_a_silent_master_is_named(master: Served, tmp_path: Path) -> None:
    def refusal(address: str, *words: str) -> str:
        ended = run(tmp_path, "-m", "glowpy", "status", "--master", address, *words, status=1)
        (line,) = ended.stderr.splitlines()
        assert ended.stdout == ""
        return line

    with unused_address() as address:
        line = refusal(address)
        assert f"no master at {address}: Connection refused; start one with" in line
        assert refusal(address, "--watch") == line
    key = str(tmp_path / "key")
    run(tmp_path, "-m", "glowpy", "keys", key)
    assert f"{master.address} refuses your key" in refusal(master.address, "--key-file", key)
    with server(tmp_path, "master", "--address", FREE, "--key-file", key) as closed:
        assert f"{closed.address} refuses your key" in refusal(closed.address)
        assert status_of(closed.address, "--key-file", key)["agents"] == []
    with server(tmp_path, "agent", "--port", "0", "--master", master.address) as agent:
        line = refusal(agent.address)
    assert line == (
        f"glowpy: at {agent.address} listens no master, but an agent of the master at "
        f"{master.address}; name its master by --master {master.address}"
    )
    assert "without a key" in refusal("192.0.2.1:8930")


def test_a_reader_that_has_seen_enough(master: Served, tmp_path: Path) -> None:
    """`glowpy status --watch | head -1`"""
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as reading:
        process = subprocess.Popen(
            [sys.executable, "-m", "glowpy", "status", "--master", master.address, "--watch"]
            + ["--pause", "0.1"],
            stdout=theirs,
            stderr=subprocess.PIPE,
        )
        os.close(theirs)
        assert reading.readline().startswith(b"master ")
    _out, err = process.communicate(timeout=60)
    assert err == b""
