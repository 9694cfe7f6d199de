"""A name server that never answers stops no server: only the check of the address waits."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glowpy.program.manifest import Manifest
from glowpy.program.program import Script
from glowpy.secret import Secret
from glowpy.wire.address import parse_address
from glowpy.wire.greeting import hello_of
from glowpy.wire.key_policy import policy_from_file
from glowpy.wire.key_storage import save_keys
from glowpy.wire.messages import Heartbeat, Welcome
from glowpy.wire.roles import Role
from glowpy.wire.run_messages import OpenRun
from glowpy.wire.transport import Transport
from glowpy.wire.transport.curve import make_keys
from tests.echoing import TIMING, Client
from tests.processes import server

NAME = "silent.example:5"
ANSWER_S = 3.0  # a resolver waits five seconds for the first answer


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root")
@pytest.mark.parametrize("role", ["master", "agent"])
def test_a_name_that_nobody_resolves_delays_no_answer(role: str, tmp_path: Path) -> None:
    """In namespaces of its own, with a name server on loopback."""
    script = [sys.executable, "-m", "tests.security.test_slow_resolver", str(tmp_path), role]
    command = ["unshare", "--net", "--mount", *script]
    if subprocess.run([*command[:3], "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system makes no namespaces")
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def attack(directory: Path, role: str) -> None:
    resolver = directory / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)
    path = str(directory / "cluster.key")
    save_keys(path, make_keys())
    key = ["--key-file", path]
    place = {
        "master": ["--address", "127.0.0.1:0"],
        "agent": ["--master", "127.0.0.1:1", "--port", "0", "--dir", str(directory / "agent")],
    }
    attacker = {"master": Role.AGENT, "agent": Role.DRIVER}[role]
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server,
        server(directory, role, *place[role], *key) as served,
        Transport(policy_from_file(path, attacker), TIMING) as rogue,
        Transport(policy_from_file(path, Role.VIEWER), TIMING) as viewer,
    ):
        name_server.bind(("127.0.0.1", 53))
        name_server.settimeout(20.0)
        address = parse_address(served.address)
        attack: Heartbeat | OpenRun = Heartbeat("a", NAME, "", "", 1, 1, 1, ())
        if role == "agent":
            program = Script((), "nowhere", Manifest(())).to_json()
            secret = Secret.make()
            attack = OpenRun("r", 1, 1, program, NAME, "/", {}, 0, "", secret)
        rogue.connect(address).send(attack)
        name_server.recv(1000)  # the resolver of the server waits now
        began_at = time.monotonic()
        client = Client(viewer.connect(address))
        assert isinstance(client.ask(hello_of("viewer", "v"))[0], Welcome)
        assert time.monotonic() - began_at < ANSWER_S


if __name__ == "__main__":
    attack(Path(sys.argv[1]), sys.argv[2])
