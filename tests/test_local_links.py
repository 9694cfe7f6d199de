"""Links within one process: immediate delivery, and a local version of every socket method."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.secret import Secret
from glowpy.shards.pull import ShardIndex
from glowpy.shards.segment import SegmentWriter
from glowpy.task.pulling import Pulls
from glowpy.timing import Timing
from glowpy.wire.run_messages import Beat
from glowpy.wire.transport import Link, Server
from glowpy.wire.transport.local import LocalLink, LocalPoller, LocalServer, LocalTransport


@pytest.mark.parametrize(("base", "local"), [(Server, LocalServer), (Link, LocalLink)])
def test_every_method_of_a_socket_is_replaced(base: type, local: type) -> None:
    """Each new method of a socket link needs a local version without a socket."""
    public = {name for name in vars(base) if not name.startswith("_")}
    assert public <= set(vars(local))


def test_a_message_is_delivered_before_send_returns() -> None:
    received: list[tuple[bytes, Any, bytes]] = []
    server, poller, answers = LocalServer(lambda *each: received.append(each)), LocalPoller(), []
    link = server.connect()
    poller.register(link, lambda: answers.append(link.receive()))
    link.send(Beat("r"))
    assert received == [(link.peer, Beat("r"), b"")]
    assert server.send(link.peer, Beat("answer"), b"payload")
    assert answers[-1] == (Beat("answer"), b"payload")
    assert poller.poll(None) == [], "a message has ended the wait"
    assert not server.send(b"gone", Beat("r"))


def test_shards_are_read_by_their_location_or_by_frames(tmp_path: Any) -> None:
    """Readers of another host get frames, over the same links."""
    from glowpy.agent.serving import ShardServer

    index, secret, nonce = ShardIndex(), Secret.make(), bytes(16)
    path = str(tmp_path / "1.seg")
    server = LocalServer(lambda peer, message, _payload: shards.receive(peer, message))
    shards = ShardServer(index, server, "here")
    with SegmentWriter(path, nonce) as writer:
        block = writer.append(0, b"x" * 1000, 3)
        writer.flush()
    index.open("r", 1, path, nonce, secret)
    index.commit("r", 1, [block])
    index.seal("r", 1)
    for host in ("here", "there"):
        poller = LocalPoller()
        pulls = Pulls(LocalTransport(server), poller, host, "r", secret, Timing())
        pull = pulls.open("ipc://here", 1, 0)
        assert pull.next_block() == b"x" * 1000
        assert pull.is_ended
    shards.close()
