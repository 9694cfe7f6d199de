"""A process of another user on the host gets no code, rows, logs or programs of a run.

The child tries every file, process, port and socket file of the master, the agent, the driver and
the executor, while a task of a run holds rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.gate import SCRIPT as GATE
from tests.gate import Gate
from tests.processes import server, started

UNUSED_UID = 61_235
SECRET_ROW = "row-of-the-user"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a process of another user takes root"),
]

SCRIPT = (
    GATE
    + f"""
rows = Flow().slice(["{SECRET_ROW}"] * 3, 3).map(lambda row: pass_gate("task", row))
print(rows.partition(2).count())
"""
)

# Imports stand before setuid: another user may not be able to read the interpreter's files.
CHILD = f"""
import json, os, signal, socket, sys
from pathlib import Path
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.contact import completes_handshake
from glowpy.wire.security import Policy
from glowpy.wire.key_policy import policy_of
from glowpy.wire.roles import Role
from glowpy.wire.transport import Transport
from glowpy.wire.transport.curve import make_keys

os.setgroups([]), os.setgid({UNUSED_UID}), os.setuid({UNUSED_UID})
got = []
tried = {{"files": 0, "processes": 0, "ports": 0}}
folders, pids, ports = json.loads(sys.argv[1])

def attempt(what, *names):
    try:
        what()
    except OSError:
        return
    got.append(" ".join(map(str, names)))

for folder in folders:
    for place, _folders, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            tried["files"] += 1
            if path.is_socket():
                attempt(lambda: socket.socket(socket.AF_UNIX).connect(str(path)), "socket", path)
            else:
                attempt(path.read_bytes, "file", path)
        attempt(Path(place, "planted").touch, "folder", place)
for pid in pids:
    tried["processes"] += 1
    for part in ("environ", "mem", "maps", "fd"):
        path = Path("/proc", str(pid), part)
        attempt((lambda: os.listdir(path)) if part == "fd" else path.read_bytes, part, pid)
    attempt(lambda: os.kill(pid, signal.SIGTERM), "signal", pid)
for port in ports:
    tried["ports"] += 1
    for policy in (Policy(insecure=True), policy_of(make_keys(), Role.DRIVER, 'own')):
        with Transport(policy, Timing().without_linger()) as transport:
            if completes_handshake(transport, Address("127.0.0.1", port), 8.0):
                got.append(f"port {{port}}")
print(json.dumps([tried, got]))
"""


def test_a_process_of_another_user_gets_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)  # the child is to be kept out by the modes of glowpy alone
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "script.py").chmod(0o600)
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "agent")]
    logs = [("--log-file", str(tmp_path / f"{role}.log")) for role in ("master", "agent")]
    address = ("--address", "127.0.0.1:0")
    with (
        server(tmp_path, "master", *address, *logs[0], "--log-level", "debug") as master,
        server(
            tmp_path,
            *("agent", "--master", master.address, *place),
            *(*logs[1], "--log-level", "debug", "--max-executors", "3"),
        ) as agent,
        Gate() as gate,
        started(
            tmp_path, "script.py", "-glow", f"-glow.leader={master.address}", gate.port
        ) as driver,
    ):
        here = gate.wait_for(task=3)
        gate.let_through(here[0])
        pids = [master.process.pid, agent.process.pid, driver.process.pid]
        pids += [each.pid for each in here]
        ports = {
            each.laddr[1]
            for pid in pids
            for each in psutil.Process(pid).net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        }
        assert len(ports) >= 3  # of the master, the agent and the driver
        scratch = psutil.Process(driver.process.pid).environ()["TMPDIR"]
        folders = [str(tmp_path), os.environ["XDG_STATE_HOME"], scratch]
        child = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps([folders, pids, sorted(ports)])],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        tried, got = json.loads(child.stdout)
        assert got == []
        assert tried["processes"] == len(pids) and tried["ports"] == len(ports)
        assert tried["files"] >= 3  # the script and the logs
        assert SECRET_ROW not in child.stdout + child.stderr
        gate.open()
        assert driver.finish().stdout == "3\n"
