"""A task has the secret of its run and no key of the cluster.

The attacker is a task of a script on a real cluster, with all data that its process can read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from glowpy.secret import Secret
from glowpy.wire.address import parse_address
from glowpy.wire.channel_messages import OpenChannel
from glowpy.wire.contact import completes_handshake
from glowpy.wire.greeting import hello_of
from glowpy.wire.key_file import for_role
from glowpy.wire.key_storage import load_keys, save_keys
from glowpy.wire.messages import ProveAddress
from glowpy.wire.roles import Role
from glowpy.wire.run_messages import CloseRun, Launch, OpenRun
from glowpy.wire.security import Policy
from glowpy.wire.transfers import Fetch
from glowpy.wire.transport import Transport
from glowpy.wire.transport.curve import make_keys
from tests.echoing import TIMING, Client
from tests.processes import Served, run, server, started

pytestmark = pytest.mark.slow

# The task writes its process id to one named pipe and waits at the other.
HELD = """
import os
from glowpy import Flow

def held(row):
    with open("task.pid", "w") as told:
        told.write(str(os.getpid()))
    with open("gate") as gate:
        gate.read()
    return row

print(Flow().slice([1], 1).map(held).collect())
"""

# The task finds the policy in its process, as any code of the process could.
TRIES = """
import gc, json, os
from glowpy import Flow

def attempt(row):
    from glowpy.task.executor import Executor
    from tests.security.test_tasks_hold_no_key import attacks
    (mine,) = [each for each in gc.get_objects() if type(each) is Executor]
    return attacks(mine._policy, mine._agent_address, json.loads(open("places").read()))

for each in Flow().slice([1], 1).map(attempt).collect():
    print(each)
"""


def attacks(policy: Policy, own_agent: str, places: dict[str, str]) -> dict[str, Any]:
    """The results of attacks with the keys in the task's process."""
    found: dict[str, Any] = {}
    run_name = os.environ["GLOWPY_RUN"]
    with Transport(policy, TIMING.without_linger()) as transport:
        for name in ("master", "other agent", "status"):
            address = parse_address(places.get(name, places["master"]))
            found[name] = completes_handshake(transport, address, 10.0)
        client = Client(transport.connect(parse_address(own_agent)))
        opening = OpenRun("evil", 1, 0, "", "", "/", {}, 0, "", Secret(b"s" * 16))
        for message in (
            hello_of("driver", "task"),
            opening,
            Launch(run_name, f"{run_name}-99", "lease", 1),
            CloseRun(run_name),
            OpenChannel("channel"),
            ProveAddress(Secret(b"s" * 16)),
            Fetch(1, "another", 0, 0, 0, 1 << 20, "", Secret()),
            Fetch(2, "@channel", 0, 0, 0, 1 << 20, "", Secret()),
        ):
            client.link.send(message)
        client.link.send(Fetch(3, run_name, 999, 0, 0, 1 << 20, "", Secret(b"x" * 16)))
        client.wait(lambda: bool(client.messages), "the answer about the task's own run")
        found["answered"] = [(type(each).__name__, each.fetch) for each, _ in client.messages]
    return found


class Cluster(NamedTuple):
    master: Served
    agents: list[Served]
    directory: Path

    @property
    def flags(self) -> list[str]:
        return ["-glow", f"-glow.leader={self.master.address}", f"-key.file={self.key('driver')}"]

    def key(self, role: str) -> str:
        return str(self.directory / f"{role}.key")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("nodes")
    keys = make_keys()
    for role in (Role.AGENT, Role.DRIVER):
        save_keys(str(directory / f"{role.value}.key"), for_role(keys, role))
    key = ["--key-file", str(directory / "agent.key")]
    place = ["--port", "0", "--max.executors", "1", *key]
    with server(directory, "master", "--address", "127.0.0.1:0", *key) as master:
        words = ["agent", "--master", master.address, *place]
        first = ["--host", "127.0.0.1", "--dir", str(directory / "a1")]
        second = ["--host", "127.0.0.2", "--dir", str(directory / "a2")]
        with server(directory, *words, *first) as one, server(directory, *words, *second) as two:
            yield Cluster(master, [one, two], directory)


def reach_of(pid: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of all bytes that code in the process can read without another process."""
    proc = Path(f"/proc/{pid}")
    words = []
    for name in ("cmdline", "environ"):
        content = (proc / name).read_bytes()
        words += content.split(b"\0")
        yield name, content
    for link in (proc / "fd").iterdir():
        with suppress(FileNotFoundError):
            target = os.readlink(link)
            yield f"descriptor {link.name}", target.encode()
            words.append(target.encode())
    for word in words:
        for part in (word, word.partition(b"=")[2], *word.split(b":")):
            if part.startswith(b"/") and os.path.isfile(part):
                yield f"file {part!r}", Path(os.fsdecode(part)).read_bytes()
    with open(proc / "mem", "rb", 0) as memory:
        for line in (proc / "maps").read_text().splitlines():
            span, access = line.split()[:2]
            if access.startswith("rw") and "[v" not in line:
                low, high = (int(part, 16) for part in span.split("-"))
                memory.seek(low)
                with suppress(OSError):  # a guard page
                    yield f"memory {span}", memory.read(high - low)


def test_no_key_of_the_cluster_is_in_reach_of_a_tasks_process(
    nodes: Cluster, tmp_path: Path
) -> None:
    """No key is in the command line, environment, descriptors, files named by them, or memory."""
    (tmp_path / "held.py").write_text(HELD)
    for name in ("task.pid", "gate"):
        os.mkfifo(tmp_path / name)
    needles = {}
    for role in ("agent", "driver"):
        keys = load_keys(nodes.key(role)).newest
        needles[f"name of the key file of {role}s"] = nodes.key(role).encode()
        for of, pair in keys.pairs.items():
            if pair.secret:
                needles[f"secret of the {of.value} pair"] = pair.secret
        if keys.lease_secret:
            needles["secret of leases"] = keys.lease_secret.hex().encode()
    assert len(needles) == 6
    with started(tmp_path, "held.py", *nodes.flags) as running:
        pid = int((tmp_path / "task.pid").read_text())
        reach = dict(reach_of(pid))
        (tmp_path / "gate").write_text("")
        assert running.finish().stdout == "[1]\n"
    assert sum(name.startswith("memory") for name in reach) > 5
    assert any(b"task.pid" in content for name, content in reach.items() if "memory" in name)
    found = [(what, where) for what, needle in needles.items() for where, content in reach.items()
             if needle in content]  # fmt: skip
    assert not found


def test_with_the_key_of_its_run_a_task_reaches_shards_of_its_run_only(
    nodes: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "tries.py").write_text(TRIES)
    places = {"master": nodes.master.address}
    # the first agent runs the task; the other agent has no part in the run
    for agent in nodes.agents:
        places["other agent"] = agent.address
        (tmp_path / "places").write_text(json.dumps(places))
        root = str(Path(__file__).parents[2])
        flags = [*nodes.flags, f"-glow.env=PYTHONPATH={root}"]
        ended = run(tmp_path, "tries.py", *flags, environment={"PYTHONPATH": root})
        found = eval(ended.stdout)
        if not found["other agent"]:
            break
    assert found == {
        "master": False,
        "status": False,
        "other agent": False,
        "answered": [("FetchEnd", 3)],
    }, ended.stderr
