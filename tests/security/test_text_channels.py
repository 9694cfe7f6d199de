"""Channels with a name carry text: a sender cannot make its readers run code."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glowpy.cli.sending import Sender
from glowpy.errors import ChannelError, ShardCorrupt
from glowpy.shards.lines import MOST_BYTES, MOST_LINES, decode_lines, encode_lines
from glowpy.testing import LocalCluster
from glowpy.timing import Timing
from glowpy.wire.address import parse_address
from glowpy.wire.channel_messages import ChannelRows
from glowpy.wire.key_policy import policy_from_file
from glowpy.wire.roles import Role

PATIENCE_S = 60.0


class Evil:
    """An object whose unpickling creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def evil_block(path: Path) -> bytes:
    return b"p" + pickle.dumps([Evil(path)], protocol=0) + b"\n"


class RawSender(Sender):
    """Sends the bytes of its input as one block."""

    row_count = 0  # 0: the actual number

    def _take(self, data: bytes) -> None:
        if data:
            self._say(ChannelRows(self._name, self.row_count or data.count(b"\n")), data)


class LyingSender(RawSender):
    row_count = 7


def send(nodes: LocalCluster, name: str, block: bytes, sender: type[RawSender] = RawSender) -> None:
    stop = os.eventfd(0, os.EFD_CLOEXEC)
    reading, writing = os.pipe()
    try:
        os.write(writing, block)
        os.close(writing)
        agent = parse_address(nodes.address_of(0))
        policy = policy_from_file(nodes.key_file, Role.DRIVER)
        assert sender(name, agent, policy, Timing(), stop).run(reading)
    finally:
        os.close(reading)
        os.close(stop)


@pytest.fixture(scope="module")
def nodes() -> Iterator[LocalCluster]:
    with LocalCluster(1) as cluster:
        yield cluster


def test_lines_come_back_as_they_were() -> None:
    lines = [b"", b"one", b"\xff\xc3", "\N{SNOWMAN}\x85\u2028".encode(), b"a\rb", b""]
    rows = decode_lines(encode_lines(lines))
    assert [row.encode("utf-8", "surrogateescape") for row in rows] == lines


@pytest.mark.parametrize(
    "block", [b"", b"no end", b"\n" * (MOST_LINES + 1), b"x" * MOST_BYTES + b"\n"], ids=len
)
def test_a_block_that_is_no_text_of_lines_is_refused(block: bytes) -> None:
    with pytest.raises(ShardCorrupt):
        decode_lines(block)


@pytest.mark.slow
def test_a_pickle_is_printed_and_not_run(nodes: LocalCluster, tmp_path: Path) -> None:
    block = evil_block(tmp_path / "evil")
    send(nodes, "evil", block)
    command = ["receive", "--from", "evil", "--master", nodes.leader, "--key-file", nodes.key_file]
    ended = subprocess.run(
        [sys.executable, "-m", "glowpy", *command],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert not (tmp_path / "evil").exists()
    assert (ended.returncode, ended.stdout) == (0, block), ended


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "sender", "reason"),
    [
        (b"half a line", RawSender, "complete lines"),
        (b"one\n", LyingSender, "1 lines was sent as 7 rows"),
    ],
)
def test_an_agent_takes_complete_lines_only(
    nodes: LocalCluster, block: bytes, sender: type[RawSender], reason: str
) -> None:
    with pytest.raises(ChannelError, match=reason):
        send(nodes, "half", block, sender)
