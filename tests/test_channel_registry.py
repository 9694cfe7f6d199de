"""The agent that holds a named channel, by the reports of agents; and the state at an agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glowpy.agent import named_channels
from glowpy.agent.named_channels import NamedChannels
from glowpy.channel import is_channel_name
from glowpy.master.channels import MOST_CHANNELS, ChannelRegistry
from glowpy.shards.pull import SendEnd, ShardIndex
from glowpy.timing import Timing
from glowpy.wire.channel_messages import (
    ChannelPlace,
    ChannelRows,
    ChannelState,
    EndChannel,
    OpenChannel,
    run_of,
)
from glowpy.wire.messages import NamedChannel


def test_a_name_is_found_where_it_was_sent_last() -> None:
    registry = ChannelRegistry()
    assert registry.find("x") == ChannelPlace("x", "", 0)
    registry.hear("a1", "h1:1", [NamedChannel("x", 5), NamedChannel("y", 6)])
    registry.hear("a2", "h2:1", [NamedChannel("x", 7)])
    assert registry.find("x") == ChannelPlace("x", "h2:1", 7)
    assert registry.find("y") == ChannelPlace("y", "h1:1", 6)
    registry.hear("a2", "h2:1", [])
    assert registry.find("x") == ChannelPlace("x", "h1:1", 5)
    registry.hear("a1", "h1:1", [NamedChannel("x", 9)])
    assert registry.find("x") == ChannelPlace("x", "h1:1", 9)
    assert registry.find("y").address == ""
    registry.forget("a1")
    registry.forget("a1")
    assert registry.find("x").address == ""


def test_an_agent_cannot_fill_the_master() -> None:
    registry = ChannelRegistry()
    names = [NamedChannel(f"n{number}", 1) for number in range(MOST_CHANNELS + 50)]
    registry.hear("a1", "h1:1", [NamedChannel("../x", 1), *names])
    assert registry.find("../x").address == ""
    assert len(registry._agents_of) == MOST_CHANNELS - 1


@pytest.mark.parametrize("name", ["a", "A-1", "0.b_c", "x" * 64])
def test_names(name: str) -> None:
    assert is_channel_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "a/b", "a b", "ü", "x" * 65, "a\n", None])
def test_invalid_channel_names_are_refused(name: str) -> None:
    assert not is_channel_name(name)


class Kept:
    """An agent's channels."""

    def __init__(self, directory: Path, timing: Timing | None = None) -> None:
        self.index = ShardIndex()
        self.changes = 0
        self.deleted: list[str] = []
        self.channels = NamedChannels(
            str(directory),
            self.index,
            timing or Timing(),
            lambda: b"n" * 16,
            self._changed,
            self.deleted.append,
        )

    def _changed(self) -> None:
        self.changes += 1

    def ask(
        self, message: object, payload: bytes = b"", peer: bytes = b"p", now: float = 0.0
    ) -> ChannelState:
        answer = self.channels.receive(peer, message, payload, now)
        assert answer is not None
        return answer[0]


def test_rows_are_kept_and_announced(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert kept.ask(OpenChannel("x")) == ChannelState("x", 0, False, "")
    assert kept.ask(ChannelRows("x", 2), b"a\nb\n") == ChannelState("x", 2, False, "")
    assert kept.ask(ChannelRows("x", 0)).row_count == 2, "a sign of life"
    assert kept.ask(EndChannel("x")) == ChannelState("x", 2, True, "")
    ((name, number),) = kept.channels.names()
    assert name == "x" and kept.changes == 1
    assert os.listdir(tmp_path) == [f"{number}.seg"], "a name is no path"
    *_, end = kept.index.fetch(
        "r", 1, run_of("x"), number, 0, first_block=0, credit_bytes=99, is_local=True, secret=b""
    )
    assert end == SendEnd("r", 1, 1, 2, "")


def test_agents_refuse_invalid_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_channels, "_MOST_CHANNELS", 2)
    kept = Kept(tmp_path, Timing(named_channels_mb=1))
    assert "a channel's name has" in kept.ask(OpenChannel("../x")).refusal
    assert "from this sender" in kept.ask(ChannelRows("x", 1), b"row\n").refusal
    kept.ask(OpenChannel("x"))
    assert "somebody else" in kept.ask(OpenChannel("x"), peer=b"q").refusal
    assert "from this sender" in kept.ask(ChannelRows("x", 1), b"row\n", peer=b"q").refusal
    assert "from this sender" in kept.ask(EndChannel("x"), peer=b"q").refusal
    kept.ask(ChannelRows("x", 1), b"r" * 1000 + b"\n")
    kept.ask(EndChannel("x"))
    assert "from this sender" in kept.ask(ChannelRows("x", 1), b"row\n").refusal
    kept.ask(OpenChannel("y"))
    assert "keeps 2 channels already" in kept.ask(OpenChannel("z")).refusal
    full = kept.ask(ChannelRows("y", 1), b"r" * (1 << 20) + b"\n")
    assert "1 MB of channels at most" in full.refusal
    assert [name for name, _ in kept.channels.names()] == ["x"], "half a channel is none"
    assert len(os.listdir(tmp_path)) == 1


def test_a_silent_sender_is_given_up(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.ask(OpenChannel("x"), now=0.0)
    kept.ask(ChannelRows("x", 1), b"row\n", now=1.0)
    ((_, number),) = kept.channels.names()
    kept.index.fetch(
        "r", 1, run_of("x"), number, 0, first_block=1, credit_bytes=9, is_local=False, secret=b""
    )
    patience_s = Timing().peer_lost_s
    assert kept.channels.tick(patience_s) == []
    assert kept.channels.tick(1.0 + patience_s) == [
        SendEnd("r", 1, 0, 0, "channel x: its sender was lost")
    ]
    assert kept.channels.names() == () and os.listdir(tmp_path) == []
    assert kept.ask(OpenChannel("x"), peer=b"q").refusal == ""


def test_a_second_sending_replaces_a_complete_channel(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for rows in (b"old\n", b"new\n"):
        kept.ask(OpenChannel("x"))
        kept.ask(ChannelRows("x", 1), rows)
        kept.ask(EndChannel("x"))
    assert len(os.listdir(tmp_path)) == 1
    (deleted,) = kept.deleted
    assert not os.path.exists(deleted)
    (path,) = tmp_path.iterdir()
    assert path.read_bytes().endswith(b"new\n")
