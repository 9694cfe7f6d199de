"""Reads shards from their owners: the sockets and files around the pull protocol.

`Pulls` never blocks. Executors wait with their control connection in the same poller; the driver
collects its results inside its own event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from glowpy.errors import ClusterError, ProtocolError, ShardLost, ShardOfOtherUser
from glowpy.secret import Secret
from glowpy.shards.receiver import LocatedBlock, PullReceiver
from glowpy.shards.segment import SegmentReader, check_block
from glowpy.timing import Timing
from glowpy.wire.address import is_of_driver, parse_endpoint
from glowpy.wire.security import KeyPair
from glowpy.wire.transfers import BlockFrame, Blocks, CancelFetch, Fetch, FetchEnd, MoreCredit
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport

# Credit of one stream: two blocks. This amount may wait for a slow reader, in its owner's memory or
# its own; a merge reads some twenty streams at once. More credit makes nothing faster.
CREDIT_BYTES = 2 << 20


class Pull:
    """One shard in transfer to this process."""

    def __init__(self, pulls: Pulls, owner: _Owner, attempt: int, shard: int) -> None:
        self._pulls = pulls
        self._owner = owner
        self._shard = shard
        self._number = 0
        self._is_by_socket = owner.sends_bytes
        self.attempt = attempt
        self.receiver = PullReceiver(CREDIT_BYTES)
        self.heard_at = pulls.clock()

    @property
    def is_ended(self) -> bool:
        """True after the owner's end message; received blocks may still wait for `next_block`."""
        return self.receiver.is_ended

    @property
    def has_news(self) -> bool:
        """True if `next_block` would return or raise, or the stream has ended."""
        return self.receiver.has_news

    def next_block(self) -> bytes | None:
        """Return the payload of the next block; None if no block has arrived, or after the last.

        Raises:
            ShardLost, ShardCorrupt: the shard cannot be read.
        """
        ready = self.receiver.next_block()
        if ready is None:
            return None
        if isinstance(ready, LocatedBlock):
            if self._owner.lost:  # the files may still exist here, but no longer count
                raise ShardLost(self._owner.lost)
            try:
                with SegmentReader(ready.path, ready.nonce) as reader:
                    return reader.read(ready.block)
            except ShardOfOtherUser:
                if self._is_by_socket:
                    raise
                self._is_by_socket = self._owner.sends_bytes = True
                self.cancel()
                self.fetch(self.receiver.restart(ready.block))
                return None
        check_block(ready.block, ready.payload, str(self._owner.link.address))
        self.give_credit()
        return ready.payload

    def fetch(self, first_block: int) -> None:
        """Request the shard from the owner, from a block on."""
        self._number = self._pulls.fetch(self, self._owner, self._shard, first_block)

    def give_credit(self) -> None:
        """Send credit to the owner when enough blocks have been consumed."""
        due = self.receiver.credit_due()
        if due:
            self._pulls.send(self._owner, MoreCredit(self._number, due))

    def expire(self, now: float, silence_s: float) -> None:
        """After `silence_s` without a message, ask whether the owner still knows this stream."""
        if now - self.heard_at >= silence_s and self._owner.is_connected:
            self.heard_at = now
            self._pulls.send(self._owner, MoreCredit(self._number, 0))

    def cancel(self) -> None:
        """Stop the transfer; the rest of the shard is not needed."""
        if not self.receiver.is_ended:
            self._pulls.send(self._owner, CancelFetch(self._number))
        self._pulls.forget(self._number)


class _Owner:
    """A connection to one owner of shards."""

    def __init__(self, name: str, link: Link, now: float) -> None:
        self.name = name
        self.link = link
        self.is_connected = False
        self.is_refused = False
        self.sends_bytes = False  # to this host too, because the files belong to another user
        self.opened_at = now
        self.lost = ""  # the reason of a loss; empty: connected or connecting


class Pulls:
    """Every shard in transfer to this process. Never blocks; the caller's poller does.

    Args:
        secret: of the run; empty for named channels.
    """

    def __init__(
        self,
        transport: Transport,
        poller: Poller,
        host: str,
        run: str,
        secret: Secret,
        timing: Timing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._transport = transport
        self._poller = poller
        self._host = host
        self._run = run
        self._secret = secret
        self._timing = timing
        self._owners: dict[str, _Owner] = {}
        self._pulls: dict[int, tuple[Pull, str]] = {}
        self._numbers = count(1)
        self._next_check = 0.0

    def open(self, owner: str, attempt: int, shard: int) -> Pull:
        """Start to read a shard."""
        at = self._owners.get(owner)
        if at is None:
            link = self._transport.connect(parse_endpoint(owner), run_key=self._key_for(owner))
            at = self._owners[owner] = _Owner(owner, link, self.clock())
            self._poller.register(at.link, partial(self._receive, at))
        pull = Pull(self, at, attempt, shard)
        pull.fetch(0)
        return pull

    def _key_for(self, owner: str) -> KeyPair | None:
        """The key of the run, if that is the key of the owner's server."""
        if not is_of_driver(owner):
            return None
        from glowpy.wire.transport.curve import run_key

        return run_key(self._secret)

    def fetch(self, pull: Pull, at: _Owner, shard: int, first_block: int) -> int:
        """Open a stream of a shard and return its number."""
        number = next(self._numbers)
        self._pulls[number] = pull, at.name
        fetch = Fetch(
            fetch=number,
            run=self._run,
            attempt=pull.attempt,
            shard=shard,
            first_block=first_block,
            credit_bytes=CREDIT_BYTES,
            reader_host="" if at.sends_bytes else self._host,
            secret=self._secret,
        )
        self.send(at, fetch)
        return number

    def send(self, at: _Owner, message: Fetch | MoreCredit | CancelFetch) -> None:
        """Send a message to an owner; a failure makes the owner lost."""
        if at.lost:
            return
        try:
            at.link.send(message)
        except ClusterError as exc:
            self.owner_lost(at.name, str(exc))

    def forget(self, number: int) -> None:
        self._pulls.pop(number, None)

    def owner_lost(self, owner: str, cause: str) -> None:
        """Fail all streams of an owner; its shards are never read again."""
        reason = f"its owner {owner} is lost: {cause}"
        at = self._owners.pop(owner, None)
        if at is not None:
            at.lost = reason
            self._poller.unregister(at.link)
            at.link.close()
        for number, (pull, of_owner) in list(self._pulls.items()):
            if of_owner == owner:
                pull.receiver.fail(reason)
                self.forget(number)

    def expire(self, now: float) -> None:
        """Declare owners lost that were never reached.

        Silence of a connected owner is normal: its attempt may write nothing for long, and the
        connection reports the end of the owner or of the route. A silent owner is only asked
        whether it still knows the stream.
        """
        if now < self._next_check:
            return
        self._next_check = self.deadline(now)
        for at in list(self._owners.values()):
            if not at.is_connected and now - at.opened_at >= self._timing.first_contact_s:
                refusal = ": it refuses the connection, perhaps it holds another key"
                cause = f"no answer in {self._timing.first_contact_s:g} s"
                self.owner_lost(at.name, cause + (refusal if at.is_refused else ""))
        for pull, _owner in list(self._pulls.values()):
            pull.expire(now, self._timing.peer_lost_s)

    def deadline(self, now: float) -> float:
        """Return the time of the next `expire`."""
        return now + self._timing.beat_s

    def _receive(self, at: _Owner) -> None:
        if at.lost:
            return
        events = at.link.events()
        at.is_connected = at.is_connected or LinkEvent.CONNECTED in events
        at.is_refused = at.is_refused or LinkEvent.REFUSED in events
        try:
            while (received := at.link.receive()) is not None:
                self._take(*received)
        except ProtocolError as exc:  # the process that listens there now is not an owner of ours
            self.owner_lost(at.name, str(exc))
        if LinkEvent.DISCONNECTED in events:
            self.owner_lost(at.name, "the connection was closed")

    def _take(self, message: Any, payload: bytes) -> None:
        number = getattr(message, "fetch", None)
        if number not in self._pulls:
            return  # of a cancelled stream
        pull, _owner = self._pulls[number]
        pull.heard_at = self.clock()
        if isinstance(message, Blocks):
            pull.receiver.blocks(message.path, message.nonce, message.blocks)
            if message.end is not None:
                self._take(message.end, b"")
        elif isinstance(message, BlockFrame):
            pull.receiver.frame(message.block, message.position_bytes, payload)
            pull.give_credit()
        elif isinstance(message, FetchEnd):
            pull.receiver.end(message.block_count, message.row_count, message.lost)
            self.forget(number)
