"""A server that aborts is started again, by `glowpy cluster` and by systemd."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.processes import run, started

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SCRIPT = "from glowpy import Flow\nprint(Flow().slice(range(10), 2).map(abs).count())\n"


def server_of(cluster: int, role: str) -> psutil.Process:
    """The only server of a role among the processes of a cluster."""
    (found,) = (
        child
        for child in psutil.Process(cluster).children()
        if child.cmdline()[2:4] == ["glowpy", role]
    )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("role", ["master", "agent"])
def test_a_cluster_restarts_a_server_that_aborts(role: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    words = ["-m", "glowpy", "cluster", "--agents", "1", "--executors", "2", "--port", "0"]
    with started(tmp_path, *words) as cluster:
        leader = cluster.stdout.await_match(r"ready, leader (\S+)")[1]
        before = server_of(cluster.process.pid, role)
        before.send_signal(signal.SIGABRT)
        cluster.stderr.await_match(rf"the {role} at \S+ ended with SIGABRT; it is restarted")
        cluster.stdout.await_match(rf"glowpy {role} listening on (\S+)", number=2)
        addresses = re.findall(rf"glowpy {role} listening on (\S+)", cluster.stdout.text)
        assert addresses[0] == addresses[1]
        ended = run(tmp_path, "script.py", "-glow", f"-glow.leader={leader}")
        assert ended.stdout == "10\n"
        cluster.process.send_signal(signal.SIGINT)
        assert cluster.finish().status == 0


@pytest.mark.slow
def test_a_cluster_restarts_each_server_five_times(tmp_path: Path) -> None:
    words = ["-m", "glowpy", "cluster", "--agents", "1", "--executors", "1", "--port", "0"]
    with started(tmp_path, *words) as cluster:
        cluster.stdout.await_match("ready")
        for number in range(1, 7):
            cluster.stdout.await_match(r"glowpy master listening on (\S+)", number)
            server_of(cluster.process.pid, "master").send_signal(signal.SIGABRT)
        ended = cluster.finish()
        assert ended.status == 1
        assert ended.stderr.count("it is restarted") == 5
        assert "the cluster is over: the master" in ended.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="checked where systemd is")
@pytest.mark.parametrize("role", ["master", "agent"])
def test_the_unit_of_a_server_is_valid_and_restarts_it(role: str, tmp_path: Path) -> None:
    text = (DEPLOY / f"glowpy-{role}.service").read_text()
    assert "\nRestart=on-failure\n" in text
    unit = tmp_path / f"glowpy-{role}.service"
    unit.write_text(text.replace("/usr/local/bin/glowpy", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
