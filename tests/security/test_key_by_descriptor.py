"""Keys from standard input or a descriptor, and the keys that tasks of the agent's user can read.

Servers run without capabilities, like processes of users other than root.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from glowpy.wire.key_storage import save_keys
from glowpy.wire.transport.curve import make_keys
from tests.commands import run as run_command
from tests.processes import run, started

pytestmark = pytest.mark.slow

# Drops root's capabilities, which could read any process.
WITHOUT_CAPABILITIES = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for number in range(64):
    libc.prctl(24, number, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

READS = """
import json, os, sys
from glowpy import Flow

def reads(path):
    try:
        with open(path.replace("AGENT", str(os.getppid())), "rb", 0) as file:
            if not path.endswith("mem"):
                return len(file.read()) > 0
            low = int(open(f"/proc/{os.getppid()}/maps").readline().split("-")[0], 16)
            file.seek(low)
            return len(file.read(16)) > 0
    except OSError as exc:
        return exc.strerror

print(Flow().slice(json.loads(open("paths").read()), 1).map(reads).collect())
"""
OF_AGENT = [f"/proc/AGENT/{name}" for name in ("mem", "environ", "fd/0", "maps")]


@contextmanager
def server(directory: Path, role: str, *options: str, stdin: str = "") -> Iterator[str]:
    """The address of a server without capabilities."""
    words = ["-c", WITHOUT_CAPABILITIES, "-m", "glowpy", role, *options]
    with started(directory, *words, stdin=stdin) as running:
        yield running.stdout.await_match(r"listening on (\S+)")[1]
        running.process.terminate()
        assert running.finish().status == 0, running.so_far()


def agent_options(master: str, directory: Path) -> list[str]:
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(directory / "agent")]
    return ["--master", master, *place]


def test_tasks_read_a_key_file_of_their_user_but_not_a_key_from_standard_input(
    tmp_path: Path,
) -> None:
    """docs/security.md has both cases, and the way to keep the key from tasks."""
    key = tmp_path / "cluster.key"
    save_keys(str(key), make_keys())
    (tmp_path / "reads.py").write_text(READS)
    (tmp_path / "paths").write_text(json.dumps([str(key), *OF_AGENT]))
    found: dict[str, list[Any]] = {}
    for way in (str(key), "-"):
        stdin = key.read_text() if way == "-" else ""
        options = ["--key-file", way]
        with server(
            tmp_path, "master", "--address", "127.0.0.1:0", *options, stdin=stdin
        ) as master:
            words = [*agent_options(master, tmp_path), *options]
            with server(tmp_path, "agent", *words, stdin=stdin):
                flags = ["-glow", f"-glow.leader={master}", f"-key.file={key}"]
                ended = run(tmp_path, "reads.py", *flags)
                found[way] = eval(ended.stdout)
    of_file, *of_agent = found[str(key)]
    assert of_file is True, "a task reads files of its user"
    assert of_agent[1] is True, "and the environment of an agent that can be dumped"
    assert found["-"] == [True, *["Permission denied"] * len(OF_AGENT)]


def test_keys_come_by_standard_input_or_a_descriptor_everywhere(tmp_path: Path) -> None:
    """`--key-file -`, `--key-file fd:N` and `-key.file=-`; the driver uses its key for two runs."""
    key = tmp_path / "cluster.key"
    save_keys(str(key), make_keys())
    text = key.read_text()
    (tmp_path / "script.py").write_text(
        "from glowpy import Flow\n"
        "print(Flow().slice([1, 2]).collect(), Flow().slice([3]).collect())\n"
    )
    with server(
        tmp_path, "master", "--address", "127.0.0.1:0", "--key-file", "-", stdin=text
    ) as master:
        opened = os.open(key, os.O_RDONLY)
        os.set_inheritable(opened, True)
        words = [sys.executable, "-m", "glowpy", "agent", *agent_options(master, tmp_path)]
        with subprocess.Popen(
            [*words, "--key-file", f"fd:{opened}"],
            pass_fds=(opened,),
            stdout=subprocess.PIPE,
            text=True,
        ) as agent:
            os.close(opened)
            assert agent.stdout is not None and "listening" in agent.stdout.readline()
            flags = ["-glow", f"-glow.leader={master}", "-key.file=-"]
            ended = run(tmp_path, "script.py", *flags, stdin=text)
            assert ended.stdout == "[1, 2] [3]\n", ended.stderr
            shown = run(
                tmp_path,
                "-m",
                "glowpy",
                "status",
                "--master",
                master,
                "--key-file",
                "-",
                stdin=text,
            )
            assert "1 agent" in shown.stdout
            agent.terminate()


def test_standard_input_cannot_be_the_key_and_the_end_at_once() -> None:
    words = ["--address", "127.0.0.1:0", "--key-file", "-", "--until-stdin-closes"]
    assert "--until-stdin-closes waits for" in run_command("master", *words).stderr


def test_a_key_from_standard_input_is_not_read_again(tmp_path: Path) -> None:
    key = tmp_path / "cluster.key"
    save_keys(str(key), make_keys())
    words = ["-m", "glowpy", "master", "--address", "127.0.0.1:0", "--key-file", "-"]
    with started(tmp_path, *words, stdin=key.read_text()) as running:
        running.stdout.await_match("listening on")
        running.process.send_signal(signal.SIGHUP)
        running.stderr.await_match("the former keys stay in use: .* restart")
        running.process.terminate()
        assert running.finish().status == 0
