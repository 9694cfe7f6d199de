"""Channels with a name: `glowpy send`, `glowpy receive`, `flow.named_channel`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glowpy import Channel, Flow
from glowpy.errors import ChannelError, NoMaster
from glowpy.testing import LocalCluster
from tests.processes import BOUND_S, run, started

pytestmark = pytest.mark.slow

UGLY = b"one\n\ntwo\r\n  three \xff\xfe\n\xc3\xbc\n" + b"x" * 300_000 + b"\nno end"
AS_LINES = UGLY.replace(b"\r\n", b"\n") + b"\n"


@pytest.fixture(scope="module")
def nodes() -> Iterator[LocalCluster]:
    with LocalCluster(2) as cluster:
        yield cluster


def glowpy(*words: str, data: bytes = b"", scale: str = "1") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "glowpy", *words],
        input=data,
        capture_output=True,
        timeout=BOUND_S,
        env=os.environ | {"GLOWPY_TIME_SCALE": scale},
        check=False,
    )


def send(nodes: LocalCluster, name: str, data: bytes, agent: int = 0) -> None:
    ended = glowpy(
        "send",
        "--to",
        name,
        "--agent",
        nodes.address_of(agent),
        "--key-file",
        nodes.key_file,
        data=data,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def receive(nodes: LocalCluster, name: str) -> bytes:
    ended = glowpy(
        "receive", "--from", name, "--master", nodes.leader, "--key-file", nodes.key_file
    )
    assert (ended.returncode, ended.stderr) == (0, b""), ended
    return ended.stdout


def test_rows_sent_at_an_agent_are_received_through_the_master(
    nodes: LocalCluster, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_bytes(UGLY)
    ended = glowpy(
        "send",
        "--to",
        "ugly",
        "--file",
        str(tmp_path / "lines"),
        "--agent",
        nodes.address_of(1),
        "--key-file",
        nodes.key_file,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert receive(nodes, "ugly") == AS_LINES
    assert receive(nodes, "ugly") == AS_LINES, "as often as anybody likes"
    send(nodes, "none", b"")
    assert receive(nodes, "none") == b""


def test_a_second_sending_replaces_the_first(nodes: LocalCluster) -> None:
    send(nodes, "again", b"old\n", agent=0)
    send(nodes, "again", b"new\n", agent=0)
    assert receive(nodes, "again") == b"new\n"
    send(nodes, "again", b"newest\n", agent=1)
    assert receive(nodes, "again") == b"newest\n", "wherever it is"


def test_many_lines(nodes: LocalCluster) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(200_000))
    send(nodes, "many", lines)
    assert receive(nodes, "many") == lines


def test_lines_are_received_while_they_are_sent(nodes: LocalCluster, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    agent = nodes.address_of(0)
    with (
        started(
            tmp_path,
            "-m",
            "glowpy",
            "receive",
            "--from",
            "live",
            "--master",
            nodes.leader,
            "--key-file",
            nodes.key_file,
        ) as it,
        started(
            tmp_path,
            "-m",
            "glowpy",
            "send",
            "--to",
            "live",
            "--file",
            str(fifo),
            "--agent",
            agent,
            "--key-file",
            nodes.key_file,
        ) as to,
        open(fifo, "wb", buffering=0) as source,
    ):
        for number in range(3):
            source.write(b"line %d\n" % number)
            it.stdout.await_match(f"line {number}\n")
        other = glowpy(
            "send", "--to", "live", "--agent", agent, "--key-file", nodes.key_file, data=b"x\n"
        )
        assert other.returncode == 1 and b"somebody else is sending to it" in other.stderr
        source.close()
        assert to.finish().status == 0
        ended = it.finish()
        assert (ended.status, ended.stdout) == (0, "line 0\nline 1\nline 2\n")


def test_a_sender_that_is_killed_has_not_sent_all(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with LocalCluster(1, time_scale=0.2) as nodes:
        agent = nodes.address_of(0)
        words = [
            "-m",
            "glowpy",
            "send",
            "--to",
            "half",
            "--file",
            str(fifo),
            "--agent",
            agent,
            "--key-file",
            nodes.key_file,
        ]
        with (
            started(
                tmp_path,
                "-m",
                "glowpy",
                "receive",
                "--from",
                "half",
                "--master",
                nodes.leader,
                "--key-file",
                nodes.key_file,
            ) as it,
            started(tmp_path, *words) as to,
            open(fifo, "wb", buffering=0) as source,
        ):
            source.write(b"line\n")
            it.stdout.await_match("line\n")
            to.process.kill()
            assert to.finish().status == -signal.SIGKILL
            ended = it.finish()
            assert ended.status == 1 and "lost before its end" in ended.stderr
            assert "its sender was lost" in ended.stderr
        again = glowpy(
            "send", "--to", "half", "--agent", agent, "--key-file", nodes.key_file, data=b"all\n"
        )
        assert again.returncode == 0
        assert receive(nodes, "half") == b"all\n"


def test_an_agent_that_dies_takes_its_channels_along(tmp_path: Path) -> None:
    with LocalCluster(1, time_scale=0.2) as nodes:
        send(nodes, "gone", b"row\n")
        nodes.kill_agent(0)
        ended = glowpy(
            "receive",
            "--from",
            "gone",
            "--master",
            nodes.leader,
            "--key-file",
            nodes.key_file,
            scale="0.2",
        )
        assert ended.returncode == 1 and ended.stdout == b""
        assert b"channel gone" in ended.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("send", "--to", "../x", "--agent", "{agent}"), 2, "a channel's name has 1 to 64 letters"),
        (("receive", "--from", "", "--master", "{master}"), 2, "a channel's name has"),
        (("send", "--to", "x", "--agent", "{master}"), 1, "listens no agent, but a master"),
        (
            ("receive", "--from", "x", "--master", "{agent}"),
            1,
            "name its master by --master {master}",
        ),
        (
            ("send", "--to", "x", "--file", "/none", "--agent", "{agent}"),
            1,
            "cannot read /none: No",
        ),
        (("send", "--to", "x", "--agent", "127.0.0.1:1"), 1, "no agent answers at 127.0.0.1:1"),
        (("receive", "--from", "x", "--master", "127.0.0.1:1"), 1, "no master answers at"),
        (("receive", "--from", "nobodys", "--master", "{master}"), 1, "has a channel nobodys (wai"),
        (("send", "--to", "x", "--agent", "10.0.0.1:1"), 1, "without a key"),
    ],
)
def test_impossible_channels_are_refused(
    nodes: LocalCluster, words: tuple[str, ...], status: int, said: str
) -> None:
    places = {"agent": nodes.address_of(0), "master": nodes.leader}
    key = ["--key-file", nodes.key_file] if "10.0.0.1:1" not in words else []
    ended = glowpy(*(word.format(**places) for word in words), *key, scale="0.2")
    assert ended.returncode == status and said.format(**places) in ended.stderr.decode(), ended


def test_with_a_key() -> None:
    with LocalCluster(1) as nodes:
        key = ["--key-file", nodes.key_file]
        agent, master = nodes.address_of(0), nodes.leader
        ended = glowpy("send", "--to", "secret", "--agent", agent, *key, data=b"row\n")
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert glowpy("receive", "--from", "secret", "--master", master, *key).stdout == b"row\n"
        stranger = glowpy("receive", "--from", "secret", "--master", master, scale="0.2")
        assert stranger.returncode == 1 and stranger.stdout == b""
        out = Channel()
        flow = nodes.flow()
        flow.named_channel("secret").add_output(out)
        flow.start().wait()
        assert list(out) == ["row"]


@pytest.mark.parametrize("flags", [["-glow.inline"], [], ["-glow"]], ids=str)
def test_a_flow_reads_one(nodes: LocalCluster, flags: list[str]) -> None:
    send(nodes, "words", b"a\nbb\nccc\n")
    flow = Flow([*flags, f"-glow.leader={nodes.leader}", f"-key.file={nodes.key_file}"])
    assert sorted(flow.named_channel("words", shards=2).map(len).collect()) == [1, 2, 3]


def test_a_flow_reads_a_channel_while_rows_are_sent(nodes: LocalCluster, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    out = Channel()
    flow = Flow([f"-glow.leader={nodes.leader}", f"-key.file={nodes.key_file}"])
    flow.named_channel("fresh").map(str.upper).add_output(out)
    handle = flow.start()
    words = ["-m", "glowpy", "send", "--to", "fresh", "--file", str(fifo)]
    with (
        started(
            tmp_path, *words, "--agent", nodes.address_of(1), "--key-file", nodes.key_file
        ) as to,
        open(fifo, "wb", buffering=0) as source,
    ):
        for word in (b"one", b"two"):
            source.write(word + b"\n")
            assert out.receive(BOUND_S) == word.decode().upper()
        source.close()
        assert to.finish().status == 0
    assert list(out) == []
    handle.wait()


def test_a_flow_that_takes_an_agent_for_the_master(nodes: LocalCluster) -> None:
    flow = Flow([f"-glow.leader={nodes.address_of(0)}", f"-key.file={nodes.key_file}"])
    with pytest.raises(NoMaster, match=f"name its master by -glow.leader={nodes.leader}$"):
        flow.named_channel("words").count()


def test_a_flow_that_is_cancelled_reads_no_further(nodes: LocalCluster) -> None:
    flow = Flow([f"-glow.leader={nodes.leader}", f"-key.file={nodes.key_file}"])
    flow.named_channel("never-sent")
    handle = flow.start()
    handle.cancel()
    assert not handle.is_running


def test_a_flow_waits_for_a_channel_within_bounds(
    nodes: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOWPY_TIME_SCALE", "0.2")
    flow = Flow([f"-glow.leader={nodes.leader}", f"-key.file={nodes.key_file}"])
    with pytest.raises(ChannelError, match="has a channel never-sent"):
        flow.named_channel("never-sent").count()


def test_head_reads_as_many_rows_as_wanted(nodes: LocalCluster, tmp_path: Path) -> None:
    send(nodes, "long", b"line\n" * 500_000)
    (tmp_path / "head.sh").write_text(
        f"{sys.executable} -m glowpy receive --from long --master {nodes.leader} "
        f"--key-file {nodes.key_file} | head -n 1\n"
    )
    ended = run(tmp_path, "head.sh", program="/bin/sh")
    assert (ended.stdout, ended.stderr) == ("line\n", "")
