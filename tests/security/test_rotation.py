"""Key rotation on a running cluster: runs continue, and the old keys are refused at the end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from glowpy.wire.address import parse_address
from glowpy.wire.key_file import KeyFile, for_role
from glowpy.wire.key_policy import policy_from_file
from glowpy.wire.key_storage import load_keys, replace_keys, save_keys
from glowpy.wire.roles import Role
from glowpy.wire.run_messages import Beat
from glowpy.wire.status_messages import STATUS_MESSAGES, AskStatus, Status
from glowpy.wire.transport import Poller, Transport
from glowpy.wire.transport.curve import make_keys
from tests.commands import run as run_command
from tests.echoing import BOUND_S, LOOPBACK, TIMING, Client
from tests.keys import policy_as
from tests.processes import Ended, Served, run, server

SCRIPT = (
    "from glowpy import Flow\nprint(sum(Flow().slice(range(9), 3).map(lambda x: x).collect()))\n"
)


@pytest.mark.slow
def test_a_run_works_before_during_and_after_a_rotation(tmp_path: Path) -> None:
    whole, old_driver = tmp_path / "cluster.key", tmp_path / "old.key"
    assert run_command("keys", str(whole)).returncode == 0
    make = ("keys", "--from", str(whole), "--role")
    for role, path in (("agent", "agent.key"), ("driver", "old.key"), ("viewer", "viewer.key")):
        assert run_command(*make, role, str(tmp_path / path)).returncode == 0
    (tmp_path / "script.py").write_text(SCRIPT)
    master_key, agent_key = ["--key-file", str(whole)], ["--key-file", str(tmp_path / "agent.key")]
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "a"), *agent_key]
    with ExitStack() as servers_end:
        words = ["master", "--address", "127.0.0.1:0", *master_key]
        master = servers_end.enter_context(server(tmp_path, *words))
        words = ["agent", "--master", master.address, *place]
        agent = servers_end.enter_context(server(tmp_path, *words))
        servers = {"master": master, "agent": agent}

        def sum_with(key: Path, status: int = 0) -> Ended:
            flags = ["-glow", f"-glow.leader={master.address}", f"-key.file={key}"]
            return run(tmp_path, "script.py", *flags, status=status)

        assert sum_with(old_driver).stdout == "36\n", "before"
        assert run_command("keys", "--rotate", str(whole)).returncode == 0
        new_driver = tmp_path / "new.key"
        assert run_command(*make, "driver", str(new_driver)).returncode == 0
        reload_keys(servers, 1, whole, tmp_path)
        for key in (old_driver, new_driver):
            assert sum_with(key).stdout == "36\n", "during"
        assert run_command("keys", "--drop-old", str(whole)).returncode == 0
        reload_keys(servers, 2, whole, tmp_path)
        assert sum_with(new_driver).stdout == "36\n", "after"
        ended = sum_with(old_driver, status=1)
        assert f"refuses the key in {old_driver}" in ended.stderr
        viewer = str(tmp_path / "viewer.key")
        text = run_command("status", "--master", master.address, "--key-file", viewer).stderr
        assert "refuses your key" in text


def reload_keys(servers: dict[str, Served], number: int, whole: Path, directory: Path) -> None:
    """Replace the key files; let the master, then the agent read the new keys."""
    replace_keys(str(directory / "agent.key"), for_role(load_keys(str(whole)), Role.AGENT))
    for role in ("master", "agent"):
        served = servers[role]
        served.process.send_signal(signal.SIGHUP)
        served.log.await_match("the key file has been read again", number)


def damage_driver(path: Path) -> None:
    """Make the number in five digits of a public key of drivers larger than 32 bits."""
    text = path.read_text()
    start = text.index("driver ") + len("driver ")
    path.write_text(f"{text[:start]}#####{text[start + 5 :]}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_text("x"), "is not a key file"),
        (lambda path: path.chmod(0o644), "readable by you only"),
        (lambda path: path.unlink(), "No such file"),
        (damage_driver, "the cluster's key is damaged"),
        (lambda path: replace_keys(str(path), make_keys()), "servers' key .* has changed"),
    ],
    ids=["text", "mode", "gone", "one character", "another cluster's"],
)
def test_a_file_that_cannot_be_used_changes_nothing(
    spoil: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "cluster.key"
    save_keys(str(path), make_keys())
    policy = policy_from_file(str(path), Role.VIEWER)
    key = ["--key-file", str(path)]
    with server(tmp_path, "master", "--address", "127.0.0.1:0", *key) as master:
        spoil(path)
        master.process.send_signal(signal.SIGHUP)
        master.log.await_match(f"the former keys stay in use: .*{reason}")
        with Transport(policy, TIMING, STATUS_MESSAGES) as transport:
            client = Client(transport.connect(parse_address(master.address)))
            assert isinstance(client.ask(AskStatus(1))[0], Status)


def test_messages_of_a_dropped_key_are_dropped_on_open_connections_too() -> None:
    old, new = make_keys(), make_keys()
    pairs = {**new.newest.pairs, Role.SERVER: old.newest.pairs[Role.SERVER]}
    new = KeyFile((new.newest._replace(pairs=pairs),))
    poller, received = Poller(), []
    with (
        Transport(policy_as(keys=old), TIMING) as serving,
        Transport(policy_as(keys=old), TIMING) as former,
        Transport(policy_as(keys=new), TIMING) as later,
    ):
        server = serving.serve(LOOPBACK)
        poller.register(server, server)

        def receive_until(is_so: Callable[[], bool]) -> None:
            deadline = time.monotonic() + BOUND_S
            while not is_so():
                assert time.monotonic() < deadline
                poller.poll(0.1)
                while (message := server.receive()) is not None:
                    received.append(message[1])

        link = former.connect(server.address)
        link.send(Beat("before"))
        receive_until(lambda: received == [Beat("before")])
        serving.use(policy_as(keys=new))
        link.send(Beat("after"))
        receive_until(lambda: server._dropped.count == 1)
        later.connect(server.address).send(Beat("new"))
        receive_until(lambda: received == [Beat("before"), Beat("new")])


def test_only_whole_files_are_rotated_and_once_at_a_time(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    save_keys(str(whole), make_keys())
    save_keys(str(part), for_role(load_keys(str(whole)), Role.AGENT))
    assert "rotate the cluster's whole file" in run_command("keys", "--rotate", str(part)).stderr
    assert "has no old keys" in run_command("keys", "--drop-old", str(whole)).stderr
    assert run_command("keys", "--rotate", str(whole)).returncode == 0
    assert "end that by --drop-old" in run_command("keys", "--rotate", str(whole)).stderr
    assert run_command("keys", "--drop-old", str(whole)).returncode == 0
    assert load_keys(str(whole)).newest.number == 2
