"""The glowpy command as real processes: output, errors, and signals."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from glowpy.version import __version__
from glowpy.wire.address import parse_address
from glowpy.wire.key_storage import load_keys
from tests.commands import (
    FREE,
    PATIENCE_S,
    Running,
    agents_known,
    await_agents,
    ignoring,
    refusal,
    run,
    started,
)
from tests.keys import policy_as

# --- words --------------------------------------------------------------------------------------


def test_version():
    assert run("--version").stdout == f"glowpy {__version__}\n"


def test_help_names_every_command():
    text = run("--help").stdout
    for name in ("master", "agent", "cluster", "keys", "send", "receive"):
        assert re.search(rf"^  {name} ", text, re.MULTILINE)


def test_glows_names_have_kebab_case_aliases():
    text = run("agent", "--help").stdout
    for name in ("dataCenter", "max.executors", "cpu.level", "clean.restart", "key.file"):
        kebab = re.sub(r"\.|(?=[A-Z])", "-", name).lower()
        assert f"--{name}" in text
        assert f"--{kebab}" in text


def test_wrong_usage_is_status_2():
    assert run("agent", "--port", "many").returncode == 2
    assert run("no-such-command").returncode == 2


def test_keys_makes_a_private_file_once(tmp_path):
    path = tmp_path / "cluster.key"
    assert run("keys", str(path)).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = load_keys(str(path))
    assert str(path) in refusal("keys", str(path))
    assert load_keys(str(path)) == key


# --- master -------------------------------------------------------------------------------------


def test_a_master_announces_itself_answers_and_ends_by_sigterm():
    with started("master", "--address", FREE) as master:
        line = master.line()
        assert line.startswith("glowpy master listening on 127.0.0.1:")
        assert agents_known(line.rpartition(" ")[2]) == 0
        master.process.terminate()
        assert master.status() == 0


def test_ctrl_c_ends_a_master_well():
    with started("master", "--address", FREE) as master:
        master.line()
        master.process.send_signal(signal.SIGINT)
        assert master.status() == 0


def test_a_master_ends_with_its_terminal():
    """Of a terminal that is closed, SIGHUP does not mean that keys are to be read again."""
    child, terminal = pty.fork()
    if child == 0:
        try:
            words = [sys.executable, "-m", "glowpy", "master", "--address", FREE]
            os.execv(sys.executable, words)
        finally:
            os._exit(1)
    said = b""
    while not said.endswith(b"\n"):
        said += os.read(terminal, 4096)  # fails at the end of the process
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_signals_that_were_ignored_from_the_start_stay_so():
    """As set by nohup, or by a shell for background commands of a script."""
    with ExitStack() as stack:
        with ignoring(signal.SIGHUP, signal.SIGINT):
            master = stack.enter_context(started("master", "--address", FREE))
        address = master.address()
        master.process.send_signal(signal.SIGHUP)
        master.process.send_signal(signal.SIGINT)
        for _ in range(2):  # the second answer shows that the signals had no effect
            assert agents_known(address) == 0
        master.process.terminate()
        assert master.status() == 0


def test_a_master_may_end_with_its_standard_input():
    with started("master", "--address", FREE, "--until-stdin-closes") as master:
        assert agents_known(master.address()) == 0
        master.close_stdin()
        assert master.status() == 0


def test_a_master_outlives_its_standard_input_by_default():
    with started("master", "--address", FREE) as master:
        master.close_stdin()
        assert agents_known(master.address()) == 0


def test_a_master_without_standard_input_ends_on_request():
    done = run("master", "--address", FREE, "--until-stdin-closes")
    assert done.returncode == 0, done.stderr


def test_a_master_with_a_key(tmp_path):
    path = str(tmp_path / "cluster.key")
    assert run("keys", path).returncode == 0
    with started("master", "--address", FREE, "--key.file", path) as master:
        assert agents_known(master.address(), policy_as(keys=load_keys(path))) == 0


def test_a_port_in_use_is_named_with_its_process():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        us = f"{psutil.Process().name()} (process {os.getpid()})"
        assert refusal("master", "--address", address) == (
            f"glowpy: cannot listen on {address}: its port is in use by {us}; "
            "name another by --address HOST:PORT, or 0 for any that is free"
        )


@pytest.mark.slow
def test_a_port_of_a_master_is_named_as_that():
    with started("master", "--address", FREE) as master:
        address = master.address()
        line = refusal("master", "--address", address)
        assert f"its port is in use by a glowpy master (process {master.pid}); name" in line
        line = refusal("cluster", "--port", address.rpartition(":")[2])
        assert f"by a glowpy master (process {master.pid}); name another by --port PORT," in line


def test_an_address_of_another_host_is_named():
    done = run("master", "--address", "no-such-host.invalid:8930", "--insecure")
    warning, line = done.stderr.splitlines()
    assert warning.startswith("glowpy: INSECURE: this master ") and done.returncode == 1
    assert line.endswith(
        "cannot listen on no-such-host.invalid:8930: this host has no such address"
    )


@pytest.mark.parametrize("address", ["127.0.0.1:port", "127.0.0.1:99999", "a b:1", "::1:5"])
def test_a_bad_address_is_shown(address):
    assert address in refusal("master", "--address", address)


def test_all_interfaces_are_refused_without_a_key():
    line = refusal("master", "--address", ":8930")
    for words in ("all interfaces", "localhost:8930", "--insecure", "glowpy keys"):
        assert words in line


def test_another_interface_is_refused_without_a_key():
    assert "without a key" in refusal("master", "--address", "192.0.2.1:8930")


def test_a_missing_key_file_is_named(tmp_path):
    path = str(tmp_path / "none")
    assert path in refusal("master", "--address", FREE, "--key-file", path)


# --- agent --------------------------------------------------------------------------------------


@pytest.fixture
def leader() -> Iterator[str]:
    with started("master", "--address", FREE) as master:
        yield master.address()
        master.process.terminate()
        assert master.status() == 0


@pytest.mark.parametrize("way", ["signal", "stdin"])
def test_an_agent_joins_and_leaves(leader, tmp_path, way):
    where = ("--host", "127.0.0.2", "--port", "0", "--master", leader)
    with started("agent", *where, "--dir", str(tmp_path / "a"), "--until-stdin-closes") as agent:
        assert agent.line().startswith("glowpy agent listening on 127.0.0.2:")
        await_agents(leader, 1)
        if way == "signal":
            agent.process.terminate()
        else:
            agent.close_stdin()
        assert agent.status() == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.slow
def test_an_agents_default_folder_is_private(leader, tmp_path):
    port = str(free_port())
    with started("agent", "--port", port, "--master", leader, TMPDIR=str(tmp_path)) as agent:
        agent.line()
        (base,) = tmp_path.iterdir()
        assert base.name == f"glowpy-{os.geteuid()}"
        assert stat.S_IMODE(base.stat().st_mode) == 0o700
        (folder,) = base.iterdir()
        assert folder.name == f"agent-127.0.0.1-{port}"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        agent.process.terminate()
        assert agent.status() == 0


def test_an_agent_on_any_port_removes_its_folder(leader, tmp_path):
    with started("agent", "--port", "0", "--master", leader, TMPDIR=str(tmp_path)) as agent:
        agent.line()
        assert len(list(tmp_path.iterdir())) == 1
        agent.process.terminate()
        assert agent.status() == 0
        assert list(tmp_path.iterdir()) == []


def test_a_default_folder_open_to_others_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    trap = tmp_path / f"glowpy-{os.geteuid()}"
    trap.mkdir()
    trap.chmod(0o777)
    assert str(trap) in refusal("agent")


def test_an_agent_on_another_interface_is_refused_without_a_key(tmp_path):
    line = refusal("agent", "--host", "192.0.2.1", "--dir", str(tmp_path / "a"))
    assert "without a key" in line
    assert list(tmp_path.iterdir()) == []


def test_an_agents_port_in_use_is_named(leader, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ("--port", port, "--master", leader, "--dir", str(tmp_path / "a"))
        line = refusal("agent", *options)
        assert f"cannot listen on 127.0.0.1:{port}: its port is in use by " in line
        assert line.endswith("; name another by --port PORT, or 0 for any that is free")


def test_a_folder_in_use_is_refused(leader, tmp_path):
    options = ("--port", "0", "--master", leader, "--dir", str(tmp_path / "a"))
    with started("agent", *options) as agent:
        agent.line()
        assert str(tmp_path / "a") in refusal("agent", *options)


# --- cluster ------------------------------------------------------------------------------------


def start_cluster(running: Running) -> tuple[str, list[psutil.Process]]:
    """Wait until the cluster is ready; return its leader and its processes."""
    lines = [running.line() for _ in range(5)]
    assert lines[0].startswith("glowpy master listening on 127.0.0.1:")
    hosts = sorted(line.rpartition(" ")[2].partition(":")[0] for line in lines[1:4])
    assert hosts == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    leader = lines[0].rpartition(" ")[2]
    assert lines[4] == f"glowpy cluster ready, leader {leader}"
    children = psutil.Process(running.pid).children(recursive=True)
    assert len(children) >= 4
    return leader, children


def nothing_is_left(leader: str, children: list[psutil.Process], folder: Path | None) -> None:
    _, alive = psutil.wait_procs(children, PATIENCE_S)
    assert alive == []
    assert folder is None or list(folder.iterdir()) == []
    port = parse_address(leader).port
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize(
    "way",
    [
        signal.SIGINT,
        *(pytest.param(way, marks=pytest.mark.slow) for way in (signal.SIGTERM, "stdin")),
    ],
)
def test_a_cluster_leaves_nothing_behind(tmp_path, way):
    options = ("--agents", "3", "--executors", "1", "--port", "0", "--until-stdin-closes")
    with started("cluster", *options, TMPDIR=str(tmp_path)) as cluster:
        leader, children = start_cluster(cluster)
        assert agents_known(leader) == 3
        if way == "stdin":
            cluster.close_stdin()
        else:
            cluster.process.send_signal(way)
        assert cluster.status() == 0
        nothing_is_left(leader, children, tmp_path)


@pytest.mark.slow
def test_a_clusters_processes_end_when_it_is_killed(tmp_path):
    with started("cluster", "--port", "0", TMPDIR=str(tmp_path)) as cluster:
        leader, children = start_cluster(cluster)
        cluster.process.kill()
        cluster.status()
        nothing_is_left(leader, children, None)


@pytest.mark.slow
def test_a_cluster_survives_its_agents_but_not_its_master(tmp_path):
    with started("cluster", "--port", "0", TMPDIR=str(tmp_path)) as cluster:
        leader, children = start_cluster(cluster)
        by_role = {role: [c for c in children if role in c.cmdline()] for role in ROLES}
        by_role["agent"][0].kill()
        psutil.wait_procs(by_role["agent"][:1], PATIENCE_S)
        assert agents_known(leader) in (2, 3)
        by_role["master"][0].kill()
        assert cluster.status() == 1
        nothing_is_left(leader, children, tmp_path)


@pytest.mark.slow
def test_a_cluster_restarts_servers_that_abort(tmp_path):
    with started("cluster", "--port", "0", TMPDIR=str(tmp_path)) as cluster:
        leader, children = start_cluster(cluster)
        first = {role: next(c for c in children if role in c.cmdline()) for role in ROLES}
        for role, victim in first.items():
            victim.send_signal(signal.SIGABRT)
            assert cluster.line().startswith(f"glowpy {role} listening on 127.0.0.1:")
        await_agents(leader, 3)
        children += psutil.Process(cluster.pid).children(recursive=True)
        cluster.process.send_signal(signal.SIGINT)
        assert cluster.status() == 0
        nothing_is_left(leader, children, tmp_path)


ROLES = ("master", "agent")


@pytest.mark.slow
def test_a_cluster_whose_port_is_in_use_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("cluster", "--port", port)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"glowpy: cannot listen on 127.0.0.1:{port}: its port is in use by ")
    assert line.endswith("; name another by --port PORT, or 0 for any that is free")
    assert list(tmp_path.iterdir()) == []
