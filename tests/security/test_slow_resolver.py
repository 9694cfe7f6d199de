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

from glowpy.wire.address import parse_address
from glowpy.wire.key_policy import policy_from_file
from glowpy.wire.key_storage import save_keys
from glowpy.wire.messages import Heartbeat
from glowpy.wire.roles import Role
from glowpy.wire.status_messages import STATUS_MESSAGES, AskStatus, Status
from glowpy.wire.transport import Transport
from glowpy.wire.transport.curve import make_keys
from tests.echoing import TIMING, Client
from tests.processes import server

ANSWER_S = 3.0  # a resolver waits five seconds for the first answer


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root")
def test_an_address_with_a_name_that_nobody_resolves_delays_no_answer(tmp_path: Path) -> None:
    """In namespaces of its own, with a name server on loopback."""
    script = [sys.executable, "-m", "tests.security.test_slow_resolver", str(tmp_path)]
    command = ["unshare", "--net", "--mount", *script]
    if subprocess.run([*command[:3], "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system makes no namespaces")
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def attack(directory: Path) -> None:
    resolver = directory / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)
    path = str(directory / "cluster.key")
    save_keys(path, make_keys())
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server,
        server(directory, "master", "--address", "127.0.0.1:0", "--key-file", path) as master,
        Transport(policy_from_file(path, Role.AGENT), TIMING) as rogue,
        Transport(policy_from_file(path, Role.VIEWER), TIMING, STATUS_MESSAGES) as viewer,
    ):
        name_server.bind(("127.0.0.1", 53))
        name_server.settimeout(20.0)
        address = parse_address(master.address)
        link = rogue.connect(address)
        link.send(Heartbeat("a", "silent.example:5", "", "", 1, 1, 1, ()))
        name_server.recv(1000)  # the master's resolver waits now
        began_at = time.monotonic()
        client = Client(viewer.connect(address))
        assert isinstance(client.ask(AskStatus(1))[0], Status)
        assert time.monotonic() - began_at < ANSWER_S


if __name__ == "__main__":
    attack(Path(sys.argv[1]))
