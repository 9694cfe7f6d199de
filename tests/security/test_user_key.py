"""The key shared by the processes of one user on loopback: made once, and safe from other users."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from glowpy.errors import ConfigError
from glowpy.wire.user_key import user_key_path, user_keys
from tests.commands import agents_known
from tests.processes import run, server, started

SCRIPT = """
from glowpy import Flow
print(Flow().slice([1, 2, 3]).map(lambda x: x * x).collect())
"""
UNUSED_UID = 61_234


# Imports stand before setuid: another user may not be able to read the interpreter's files.
STRANGER = f"""
import os, sys
from glowpy.errors import GlowError
from glowpy.timing import Timing
from glowpy.wire.address import parse_address
from glowpy.wire.contact import completes_handshake
from glowpy.wire.key_policy import policy_of
from glowpy.wire.key_storage import load_keys
from glowpy.wire.roles import Role
from glowpy.wire.security import Policy
from glowpy.wire.transport import Transport
from glowpy.wire.transport.curve import make_keys

def tries():
    for policy in (Policy(insecure=True), policy_of(make_keys(), Role.DRIVER, "")):
        with Transport(policy, Timing().without_linger()) as transport:
            yield completes_handshake(transport, parse_address(sys.argv[1]), 8.0)

assert list(tries()) == [False, False]  # also as the owner of the key, who does not name it
os.setgroups([]), os.setgid({UNUSED_UID}), os.setuid({UNUSED_UID})
try:
    load_keys(sys.argv[2])
except GlowError as exc:
    print(exc)
print(list(tries()))
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def test_the_key_is_made_once_for_its_user_only(state: Path) -> None:
    keys = user_keys()
    assert user_keys() == keys
    path = Path(user_key_path())
    assert path == state / "glowpy" / "keys"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["keys"]


def test_first_users_at_one_time_agree(state: Path) -> None:
    code = "from glowpy.wire.user_key import user_keys; print(user_keys().newest.pairs)"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)
    ]
    found = {process.communicate(timeout=60)[0] for process in processes}
    assert len(found) == 1 and found != {b""}


@pytest.mark.parametrize("variable", ["HOME", "XDG_STATE_HOME"])
def test_the_folder_follows_the_environment(variable: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    below = ".local/state/" if variable == "HOME" else ""
    assert user_key_path() == f"{tmp_path}/{below}glowpy/keys"


def test_a_relative_folder_is_ignored(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_key_path() == f"{tmp_path}/.local/state/glowpy/keys"


def test_without_a_home_the_remedy_is_named(monkeypatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "nowhere")
    with pytest.raises(ConfigError, match=r"no home directory .* --key-file .* XDG_STATE_HOME"):
        user_keys()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"cannot make .*file/glowpy .*: Not a directory"):
        user_keys()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_refused(state: Path, mode: int) -> None:
    user_keys()
    (state / "glowpy").chmod(mode)
    with pytest.raises(ConfigError, match=r"writable by you only.*chmod 700"):
        user_keys()


def test_a_parent_that_others_can_write_is_refused(state: Path) -> None:
    state.mkdir()
    state.chmod(0o777)
    with pytest.raises(ConfigError, match="another user can replace your cluster key"):
        user_keys()
    state.chmod(0o1777)  # sticky: others cannot rename our files
    user_keys()


def test_a_key_that_others_can_read_is_refused(state: Path) -> None:
    user_keys()
    (state / "glowpy" / "keys").chmod(0o644)
    with pytest.raises(ConfigError, match="readable by you only"):
        user_keys()


@pytest.fixture
def master(state: Path, tmp_path: Path) -> Iterator[str]:
    with server(tmp_path, "master", "--address", "127.0.0.1:0") as served:
        yield served.address


@pytest.mark.slow
def test_master_agent_and_driver_share_the_key_unnamed(master: str, tmp_path: Path) -> None:
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "agent")]
    (tmp_path / "script.py").write_text(SCRIPT)
    with server(tmp_path, "agent", "--master", master, *place) as agent:
        ended = run(tmp_path, "script.py", "-glow", f"-glow.leader={master}")
        assert ended.stdout == "[1, 4, 9]\n", ended.stderr
        status = run(tmp_path, "-m", "glowpy", "status", "--master", master)
        assert agent.address in status.stdout


@pytest.mark.slow
def test_a_keyless_driver_and_another_key_are_refused(master: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    flags = ["-glow", f"-glow.leader={master}"]
    ended = run(tmp_path, "script.py", *flags, "-glow.insecure", status=1)
    assert "INSECURE" in ended.stderr and "needs a key" in ended.stderr
    other = {"XDG_STATE_HOME": str(tmp_path / "other")}
    ended = run(tmp_path, "script.py", *flags, environment=other, status=1)
    assert f"the listener at {master} refuses the key of your user" in ended.stderr


@pytest.mark.slow
def test_a_keyless_cluster_is_loud_and_never_used_by_default(state: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "agent"), "--insecure"]
    with (
        server(tmp_path, "master", "--address", "127.0.0.1:0", "--insecure") as master,
        server(tmp_path, "agent", "--master", master.address, *place) as agent,
    ):
        for served in (master, agent):
            served.log.await_match("INSECURE: this .* accepts unauthenticated")
        flags = ["-glow", f"-glow.leader={master.address}"]
        ended = run(tmp_path, "script.py", *flags, status=1)
        assert "refuses the key of your user" in ended.stderr and "-glow.insecure" in ended.stderr
        ended = run(tmp_path, "script.py", *flags, "-glow.insecure")
        assert ended.stdout == "[1, 4, 9]\n", ended.stderr


@pytest.mark.slow
def test_an_unnamed_listener_without_the_key_is_not_used(state: Path, tmp_path: Path) -> None:
    """A driver sends no data to another user's process that listens on localhost:8930."""
    (tmp_path / "script.py").write_text(SCRIPT)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 8930)) as listener:

        def accept() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(
                            b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00NULL" + bytes(48)
                        )
                        connection.settimeout(10)
                        heard.append(connection.recv(1 << 16))
            except OSError:
                return  # the listener is closed

        threading.Thread(target=accept, daemon=True).start()
        ended = run(tmp_path, "script.py", "-glow")
        listener.shutdown(socket.SHUT_RDWR)
    assert ended.stdout == "[1, 4, 9]\n", ended.stderr
    assert re.search(
        r"the listener at localhost:8930 refuses the key of your user .*: using a cluster of the "
        "driver's",
        ended.stderr,
    )
    assert not any(b"Hello" in each for each in heard)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="starting a process of another user takes root")
def test_another_user_on_this_host_gets_nothing(master: str, tmp_path: Path) -> None:
    script = tmp_path / "stranger.py"
    script.write_text(STRANGER)
    assert agents_known(master) == 0  # the owner is answered
    with started(
        tmp_path,
        script,
        master,
        user_key_path(),
        environment={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "default"},
    ) as running:
        ended = running.finish()
    refused, tried = ended.stdout.splitlines()
    assert refused == f"cannot read key file {user_key_path()}: Permission denied"
    assert tried == "[False, False]"
