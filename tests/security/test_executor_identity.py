"""Agents accept executors by a secret, and serve rows only to holders of the run's secret.

The attacker is a member of the cluster that holds the key and knows the names of run, executor and
attempts. The test suspends a real run where an attack is easiest: before the greeting of its
executor, and while the executor runs a task.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from glowpy.agent.processes import Processes
from glowpy.errors import ClusterError
from glowpy.secret import Secret, TaskSecrets
from glowpy.shards.segment import Block
from glowpy.task.executor import Executor
from glowpy.version import __version__
from glowpy.wire.address import Address, parse_address
from glowpy.wire.contact import completes_handshake
from glowpy.wire.greeting import PYTHON, hello_of
from glowpy.wire.messages import PROTOCOL_VERSION, Welcome
from glowpy.wire.run_messages import (
    AttemptStats,
    Commit,
    ExecutorHello,
    ExecutorReady,
    GroupEnded,
    Noted,
    Outcome,
    OutputStream,
    Printed,
    Progress,
)
from glowpy.wire.security import Policy
from glowpy.wire.transfers import Fetch, FetchEnd
from glowpy.wire.transport import Poller, Transport
from glowpy.wire.transport.curve import run_key
from glowpy.wire.user_key import user_keys
from tests.echoing import TIMING, Client
from tests.keys import own_policy
from tests.processes import run, started

BOUND_S = 60.0
WRONG = [Secret(), Secret(bytes(16)), Secret.make()]

# Each stop writes its data to one named pipe and waits at the other.
HELD = """
import json, os, sys
import glowpy
from glowpy import Flow

def stop(name):
    words = open("/proc/self/cmdline").read().split("\\0")
    with open(name + ".told", "w") as told:
        json.dump({"run": os.environ["GLOWPY_RUN"], "words": words}, told)
    with open(name + ".gate") as gate:
        gate.read()

def held(row):
    if row == 0:
        stop("running")
    return row

if glowpy.is_task():
    stop("starting")
print("the rows are", Flow().slice(range(1000), 1).map(held).count())
"""


class Malice:
    """An exception whose unpickling makes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._mark,)


class Member:
    """A process with the cluster's key that is connected to one server. A context manager."""

    def __init__(self, address: str) -> None:
        self._transport = Transport(own_policy(), TIMING)
        self._client = Client(self._transport.connect(parse_address(address)))

    def send(self, message: Any, payload: bytes | None = None) -> None:
        self._client.link.send(message, payload)

    def answers(self, last: Any, is_last: Callable[[Any], bool]) -> list[Any]:
        """Send the last message and return all answers up to the answer to the last message."""
        self.send(last)
        messages = self._client.messages
        self._client.wait(lambda: any(is_last(each) for each, _payload in messages), "answers")
        found = [each for each, _payload in messages]
        messages.clear()
        return found

    def __enter__(self) -> Member:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._transport.close()


def stop_data(directory: Path, name: str) -> dict[str, Any]:
    """Wait until a process reaches a stop, and return the data written by the process."""
    with open(os.open(directory / f"{name}.told", os.O_RDONLY | os.O_NONBLOCK)) as pipe:
        assert select.select([pipe], [], [], BOUND_S)[0], f"no process has reached {name!r}"
        os.set_blocking(pipe.fileno(), True)
        found: dict[str, Any] = json.load(pipe)
    return found


def option(words: list[str], name: str) -> str:
    return next(word.partition("=")[2] for word in words if word.startswith(f"-glow.{name}="))


def listening_port(pid: int) -> int:
    """The port of the driver's own server."""
    (port,) = {
        each.laddr.port
        for each in psutil.Process(pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    return int(port)


def forge(member: Member, run_name: str, executor: str, mark: Path) -> list[Any]:
    """Send every message of an executor under its name; return the answers."""
    evil = pickle.dumps(Malice(mark))
    for secret in WRONG:
        release = PROTOCOL_VERSION, __version__, PYTHON
        member.send(ExecutorHello(*release, run_name, executor, secret))
        member.send(ExecutorReady(run_name, executor, "forged"), evil)
        member.send(ExecutorReady(run_name, executor, ""))
        member.send(Printed(run_name, executor, OutputStream.STDOUT, "forged\n"))
        member.send(Noted(run_name, executor, "forged", "forged"))
        for attempt in range(5):
            member.send(Commit(run_name, attempt, (Block(0, 24, 9, 28, 0),)))
            member.send(Progress(run_name, ((attempt, AttemptStats(rows_in=28)),)))
            for outcome in (Outcome.SEALED, Outcome.FAILED):
                ended = GroupEnded(run_name, executor, 0, attempt, outcome, reason="forged")
                member.send(ended._replace(work=AttemptStats(rows_out=28)), evil)
    return member.answers(hello_of("driver", "attacker"), lambda each: isinstance(each, Welcome))


@pytest.mark.slow
def test_a_member_that_is_no_executor_gets_and_changes_nothing(
    cluster: str, tmp_path: Path
) -> None:
    script = tmp_path / "held.py"
    script.write_text(HELD)
    mark = tmp_path / "unpickled"
    for name in ("starting", "running"):
        os.mkfifo(tmp_path / f"{name}.told")
        os.mkfifo(tmp_path / f"{name}.gate")
    with started(tmp_path, script, "-glow", f"-glow.leader={cluster}") as running:
        of_task = stop_data(tmp_path, "starting")
        name, words = of_task["run"], of_task["words"]
        agent, executor = option(words, "agent.address"), option(words, "request.id")
        with Member(agent) as member:
            welcome = forge(member, name, executor, mark)
            assert [type(answer) for answer in welcome] == [Welcome], "before the executor greets"
            (tmp_path / "starting.gate").write_text("")
            assert stop_data(tmp_path, "running")["run"] == name
            welcome = forge(member, name, executor, mark)
            assert [type(answer) for answer in welcome] == [Welcome], "while the executor runs"
            assert rows_of(member, name) == []
        server = Address("127.0.0.1", listening_port(running.process.pid))
        pairs = [*user_keys().newest.pairs.values(), *map(run_key, WRONG)]
        for pair in pairs:
            for server_pair in (pair, *user_keys().newest.pairs.values()):
                policy = Policy(pair, server_pair)
                with Transport(policy, TIMING.without_linger()) as transport:
                    text = "rows and the program are for agents and tasks of the run"
                    assert not completes_handshake(transport, server, BOUND_S), text
        (tmp_path / "running.gate").write_text("")
        ended = running.finish()
    assert (ended.status, ended.stdout) == (0, "the rows are 1000\n"), ended.stderr
    assert "forged" not in ended.stderr and not mark.exists()


def rows_of(member: Member, run_name: str) -> list[Any]:
    """The answers of a server to a reader of shards without the run's secret."""
    for number, secret in enumerate(WRONG):
        for attempt in range(5):
            for host in ("", "127.0.0.1"):
                fetch = 100 * number + 10 * attempt + len(host)
                member.send(Fetch(fetch, run_name, attempt, 0, 0, 1 << 20, host, secret))
    last = Fetch(9999, run_name, 9999, 0, 0, 1, "", Secret())
    answers = member.answers(last, lambda each: each.fetch == 9999)
    assert len(answers) > 30
    return [
        each
        for each in answers
        if not (isinstance(each, FetchEnd) and "has no shards here" in each.lost)
    ]


TELLS = """
import json, os, sys
from glowpy.task import own_secret
told = {
    "words": open("/proc/self/cmdline", "rb").read().hex(),
    "environment": open("/proc/self/environ", "rb").read().hex(),
    "variables": {name: value for name, value in os.environ.items() if "SECRET" in name},
    "pipes": [os.readlink(f"/proc/self/fd/{n}") for n in range(3, 64)
              if os.path.exists(f"/proc/self/fd/{n}")],
    "held": own_secret.take_secrets().to_bytes().hex(),
    "left": own_secret.take_secrets().to_bytes().hex(),
}
print(json.dumps(told))
"""
BOOTSTRAP = "from glowpy.task.script_start import start_script; start_script()"


def test_the_secret_of_an_executor_is_in_no_place_that_others_can_read(tmp_path: Path) -> None:
    (tmp_path / "r0").mkdir()
    (tmp_path / "r0" / "tells.py").write_text(TELLS)
    secrets = TaskSecrets(Secret.make(), Secret.make(), b"s" * 40)
    lines: list[str] = []
    ends: list[str] = []
    poller = Poller()
    words = [sys.executable, "-c", BOOTSTRAP, str(tmp_path), "", "r0/tells.py"]
    with Processes(
        poller,
        lambda _executor, _stream, text: lines.append(text),
        lambda _executor, cause: ends.append(cause),
        BOUND_S,
    ) as processes:
        before = os.listdir("/proc/self/fd")
        processes.start("e1", secrets, words, dict(os.environ), str(tmp_path))
        deadline = time.monotonic() + BOUND_S
        while not ends:
            assert time.monotonic() < deadline
            for handle in poller.poll(deadline - time.monotonic()):
                handle()
        assert os.listdir("/proc/self/fd") == before
    found = json.loads("".join(lines))
    assert (found["held"], found["left"]) == (secrets.to_bytes().hex(), ""), "once"
    assert found["variables"] == {}
    assert len([each for each in found["pipes"] if each.startswith("pipe:")]) == 1, "the lifeline"
    for place in (found["words"], found["environment"]):
        for secret in secrets:
            assert secret.hex() not in place and secret.hex().encode().hex() not in place


REPLAYED = """
import logging
from glowpy import Flow
from glowpy.secret import Secret
from glowpy.task.executor import Executor

logging.basicConfig()
greeted = []
send = Executor._greet
def greet(self):
    greeted.append((self._agent_address, self._executor, self._run, Secret(self._secret)))
    return send(self)
Executor._greet = greet

def replay(row):
    from tests.security.test_executor_identity import is_greeting_ignored
    address, executor, run, secret = greeted[0]
    assert len(secret) == 16
    return [is_greeting_ignored(address, executor, run, each) for each in (secret, Secret.make())]

print(Flow().slice([1], 1).map(replay).collect())
"""


def is_greeting_ignored(address: str, executor: str, run_name: str, secret: Secret) -> bool:
    """Greet an agent under the name of a running executor; True without an answer."""
    timing = TIMING._replace(executor_start_s=1.0)
    greeting = Executor(address, executor, secret, run_name, _no_graph, Policy(), timing)
    try:
        greeting.serve()
    except ClusterError as exc:
        return "has not answered" in str(exc)
    return False


def _no_graph(_description: object) -> Any:
    raise AssertionError("it was described the run")


@pytest.mark.slow
def test_a_greeting_cannot_be_repeated(tmp_path: Path) -> None:
    """A task of a standalone run sends the greeting of its own executor again."""
    script = tmp_path / "replayed.py"
    script.write_text(REPLAYED)
    root = str(Path(__file__).parents[2])
    ended = run(tmp_path, script, environment={"PYTHONPATH": root})
    assert ended.stdout == "[[True, True]]\n"
    assert ended.stderr.count("which is not the executor e1 that it names") == 2
