"""Clusters that a driver or an agent cannot work with: a clear error in time."""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from glowpy.errors import ConfigError, NoAgents, NoMaster, ProgramError, VersionMismatch
from glowpy.version import __version__
from tests.failing_scripts import FULL_DISK, command, ended_badly, error_text, failure, refusal
from tests.processes import Ended, Served, run, server, started, unused_address

pytestmark = pytest.mark.slow  # each test starts servers, or a driver in every mode

GOOD = """
from glowpy import Flow
print(Flow().slice(range(10), 2).map(str).count())
"""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Makes a process of glowpy look like another release.
OTHER_GLOWPY = 'import glowpy.version\nglowpy.version.__version__ = "9.9.9"\n'
OTHER_PYTHON = 'import glowpy.wire.greeting\nglowpy.wire.greeting.PYTHON = "3.99"\n'
OTHERS = pytest.mark.parametrize(
    ("other", "what", "there", "here"),
    [
        (OTHER_GLOWPY, "glowpy", "9.9.9", __version__),
        (OTHER_PYTHON, "Python", "3.99", PYTHON),
    ],
    ids=["glowpy", "python"],
)
ANY_PORT = ("--address", "127.0.0.1:0")
NOBODY = {"GLOWPY_TIME_SCALE": "0.05"}  # for cases without any process that could be slow
SOMEBODY = {"GLOWPY_TIME_SCALE": "0.2"}


def driver_failure(
    directory: Path,
    leader: str,
    *words: str,
    text: str = GOOD,
    environment: Mapping[str, str] = SOMEBODY,
) -> Ended:
    """The failure of a driver with little patience."""
    flags = ["-glow", f"-glow.leader={leader}", *words]
    return failure(directory, "plain", "", text, *flags, environment=environment)


@contextmanager
def changed_server(directory: Path, before: str, role: str, *options: str) -> Iterator[str]:
    """The address of a server whose process is changed before its start."""
    with started(directory, *command(directory, role, *options, before=before)) as running:
        yield running.stdout.await_match(rf"(?m)^glowpy {role} listening on (\S+)$")[1]
        running.process.send_signal(signal.SIGTERM)
        assert running.finish().status == 0, running.so_far()


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Served]:
    """A master without agents."""
    with server(tmp_path, "master", *ANY_PORT) as served:
        yield served


@pytest.fixture
def keys(tmp_path: Path) -> None:
    """The keys of two clusters: cluster.key and other.key."""
    for name in ("cluster.key", "other.key"):
        run(tmp_path, "-m", "glowpy", "keys", name)


# --- no server listens --------------------------------------------------------------------------


def test_no_master(tmp_path: Path) -> None:
    with unused_address() as leader:
        ended = driver_failure(tmp_path, leader, environment=NOBODY)
    assert error_text(ended, NoMaster) == (
        f"no master answers at {leader} (waited 0.5 s); start one with "
        f"`glowpy master --address {leader}`, or name another with -glow.leader=HOST:PORT"
    )
    assert f"glowpy: waiting for the master at {leader}\n" in ended.stderr


@pytest.mark.usefixtures("keys")
def test_a_host_that_does_not_exist(tmp_path: Path) -> None:
    flags = ["-key.file=cluster.key", "-glow.driver.host=127.0.0.1"]
    leader = "no-such-host.invalid:8930"
    ended = driver_failure(tmp_path, leader, *flags, environment=NOBODY)
    assert f"no master answers at {leader}" in error_text(ended, NoMaster)


def test_no_agents(master: Served, tmp_path: Path) -> None:
    ended = driver_failure(tmp_path, master.address)
    assert error_text(ended, NoAgents) == (
        f"the master at {master.address} knows no agents (waited 2 s); "
        f"start one with `glowpy agent --master {master.address}`"
    )
    assert f"glowpy: waiting for an agent: the master at {master.address} knows none\n" in (
        ended.stderr
    )


def test_agents_that_are_too_small(cluster: str, tmp_path: Path) -> None:
    ended = driver_failure(tmp_path, cluster, "-glow.task.memoryMB=5000")
    assert error_text(ended, NoAgents) == (
        "a task asks for 5000 MB (-glow.task.memoryMB), but no agent has more than 1024 MB"
    )


def test_agents_that_can_start_nothing(master: Served, tmp_path: Path) -> None:
    """The notice has the reason; `test_cluster_core` tests the end of the run."""
    nowhere = 'import sys\nsys.executable = "/nowhere/python"\n'
    options = ["--port", "0", "--master", master.address, "--dir", str(tmp_path / "agent")]
    (tmp_path / "script.py").write_text(GOOD, encoding="utf-8")
    words = ["script.py", "-glow", f"-glow.leader={master.address}"]
    with (
        changed_server(tmp_path, nowhere, "agent", *options) as address,
        started(tmp_path, *words, environment=SOMEBODY) as driver,
    ):
        why = f"{address}: cannot start a process: [Errno 2] No such file or directory: "
        driver.stderr.await_match(re.escape(f"waiting for an agent that can be used: {why}"))
        driver.process.send_signal(signal.SIGINT)
        ended_badly(driver)


def test_an_agent_without_a_master_says_so_and_waits(tmp_path: Path) -> None:
    words = ["-m", "glowpy", "agent", "--port", "0", "--master"]
    with unused_address() as leader, started(tmp_path, *words, leader, environment=NOBODY) as agent:
        agent.stderr.await_match(f"no master answers at {leader} yet")
        agent.process.send_signal(signal.SIGTERM)
        assert agent.finish().status == 0


def test_a_master_elsewhere_takes_a_key(tmp_path: Path) -> None:
    text = error_text(driver_failure(tmp_path, "192.0.2.1:8930"), ConfigError)
    assert text.startswith("refusing to connect to 192.0.2.1:8930 without a key: ")
    assert "-key.file" in text


# --- strangers ----------------------------------------------------------------------------------


def test_a_foreign_listener_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        leader = f"127.0.0.1:{other.getsockname()[1]}"
        ended = driver_failure(tmp_path, leader, environment=NOBODY)
    text = error_text(ended, NoMaster)
    assert text == (
        f"the listener at {leader} refuses the key of your user: name the cluster's key with "
        "-key.file=FILE, or give -glow.insecure if the master has no key; it may also be no glowpy "
        "master"
    )


def test_an_agent_that_is_taken_for_a_master(master: Served, tmp_path: Path) -> None:
    """Driver and agent report the wrong address of the master immediately."""
    with server(tmp_path, "agent", "--port", "0", "--master", master.address) as agent:
        said = (
            f"at {agent.address} listens no master, but an agent of the master at {master.address};"
            " name its master by "
        )
        ended = driver_failure(tmp_path, agent.address)
        assert error_text(ended, NoMaster) == f"{said}-glow.leader={master.address}"
        options = ["--port", "0", "--master", agent.address, "--dir", str(tmp_path / "other")]
        assert refusal(tmp_path, "agent", *options) == f"{said}--master {master.address}"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("", "cluster.key"), ("cluster.key", ""), ("cluster.key", "other.key")],
    ids=["theirs unnamed", "ours unnamed", "two"],
)
@pytest.mark.usefixtures("keys")
def test_keys_that_do_not_fit(theirs: str, ours: str, tmp_path: Path) -> None:
    """The master's key differs from that of driver and agent, which is named or the user's own."""
    with server(tmp_path, "master", *ANY_PORT, *key_option("--key-file", theirs)) as served:
        ended = driver_failure(tmp_path, served.address, *key_option("-key.file", ours))
        text = error_text(ended, NoMaster)
        key = f"the key in {ours}" if ours else "the key of your user"
        assert text.startswith(f"the listener at {served.address} refuses {key}")
        assert "-key.file" in text
        options = ["--port", "0", "--master", served.address, *key_option("--key-file", ours)]
        line = refusal(tmp_path, "agent", *options)
        assert line.startswith(f"the listener at {served.address} refuses this agent's key")
        assert "--key-file" in line


def key_option(name: str, file: str) -> list[str]:
    return [name, file] if file else []


# --- other releases -----------------------------------------------------------------------------


@OTHERS
def test_a_driver_of_another_release(
    other: str, what: str, there: str, here: str, cluster: str, tmp_path: Path
) -> None:
    text = error_text(driver_failure(tmp_path, cluster, text=other + GOOD), VersionMismatch)
    assert re.fullmatch(
        rf"master at {cluster}: driver \w+ and the master cannot work together: "
        rf"{what} {there} at the driver and {here} at the master. "
        r"Install the same release everywhere.",
        text,
    )


@OTHERS
def test_a_master_of_another_release(
    other: str, what: str, there: str, here: str, tmp_path: Path
) -> None:
    with changed_server(tmp_path, other, "master", *ANY_PORT) as leader:
        text = error_text(driver_failure(tmp_path, leader), VersionMismatch)
        assert text.startswith(f"master at {leader}: driver ")
        assert f"{what} {here} at the driver and {there} at the master" in text
        line = refusal(tmp_path, "agent", "--port", "0", "--master", leader)
        assert line.startswith(f"master at {leader}: agent 127.0.0.1:")
        assert f"{what} {here} at the agent and {there} at the master" in line


@OTHERS
def test_an_agent_of_another_release(
    other: str, what: str, there: str, here: str, tmp_path: Path
) -> None:
    """The agent ends before registration; else the master would grant its executors to drivers."""
    with server(tmp_path, "master", *ANY_PORT) as master:
        options = ["--port", "0", "--master", master.address]
        line = refusal(tmp_path, "agent", *options, before=other)
    assert line.startswith(f"master at {master.address}: agent 127.0.0.1:")
    assert f"{what} {there} at the agent and {here} at the master" in line
    assert "refused: agent " in master.log.text
    assert " joined: " not in master.log.text


def test_another_release_on_the_agents_path(cluster: str, tmp_path: Path) -> None:
    """The agent has the driver's release, but the script in its task finds another glowpy."""
    script = f"import glowpy\nif glowpy.is_task():\n    {OTHER_GLOWPY.replace(chr(10), ';')}\n"
    ended = failure(tmp_path, "cluster", cluster, script + GOOD)
    text = error_text(ended, ProgramError)
    assert re.match(r"agent 127\.0\.0\.\d:\d+: executor .* cannot work together: glowpy 9", text)


# --- servers that cannot start ------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1:port", "a:b:c"])
def test_an_agent_with_a_bad_address(address: str, tmp_path: Path) -> None:
    assert address in refusal(tmp_path, "agent", "--port", "0", "--master", address)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file/below", "Not a directory"),
        ("file", "it is not a directory"),
        ("/proc/none", "No such file or directory"),
        (".", "is not empty and no agent made it"),
    ],
)
def test_an_agent_directory_that_cannot_be_used(place: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = refusal(tmp_path, "agent", "--port", "0", "--dir", place)
    assert str((tmp_path / place).resolve()) in line
    assert reason in line


@pytest.mark.parametrize(
    "words", [("agent", "--port", "0"), ("agent", "--port", "8931"), ("cluster", "--port", "0")]
)
def test_servers_that_find_no_temporary_directory(words: tuple[str, ...], tmp_path: Path) -> None:
    line = refusal(tmp_path, *words, before=FULL_DISK)
    assert "No usable temporary directory" in line


# --- a cluster that stops -----------------------------------------------------------------------


def test_a_cluster_that_goes_away_under_a_run(tmp_path: Path) -> None:
    """The driver reports the loss and waits for a new master and agents.

    `test_cluster_core` tests the end of the run.
    """
    script = """
import time
from glowpy import Flow

def work(row):
    print("at work")
    time.sleep(600)

Flow().slice(range(2), 2).map(work).run()
"""
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    options = ["--agents", "2", "--executors", "1", "--port", "0"]
    with started(tmp_path, "-m", "glowpy", "cluster", *options) as cluster:
        leader = cluster.stdout.await_match(r"cluster ready, leader (\S+)")[1]
        flags = ["-glow", f"-glow.leader={leader}"]
        impatient = {"GLOWPY_TIME_SCALE": "0.2"}
        with started(tmp_path, "script.py", *flags, environment=impatient) as driver:
            driver.stdout.await_match("at work", 2)
            cluster.process.send_signal(signal.SIGTERM)
            assert cluster.finish().status == 0
            driver.stderr.await_match(r" is lost: the connection was closed\n", 2)
            text = f"waiting for the master at {leader}, which no longer answers\n"
            driver.stderr.await_match(re.escape(text))
            driver.process.send_signal(signal.SIGINT)
            ended_badly(driver)
