"""Reading a channel that has a name, wherever it is: for `glowpy receive` and for drivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from glowpy.errors import ChannelError, NoMaster, ShardError, VersionMismatch
from glowpy.shards.codec import decode
from glowpy.task.pulling import Pull, Pulls
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.channel_messages import CHANNEL_MESSAGES, ChannelPlace, FindChannel, run_of
from glowpy.wire.greeting import hello_of
from glowpy.wire.messages import Welcome
from glowpy.wire.security import Policy
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport

_STOP = "stop"


class NamedChannelReader:
    """Finds a channel by its master and pulls its rows from the agent that has it.

    A context manager.

    Args:
        stop: a file descriptor that becomes readable when no more rows are wanted.
        note: told in words what is being waited for, when that lasts.
    """

    def __init__(
        self,
        name: str,
        master: Address,
        policy: Policy,
        timing: Timing,
        stop: int,
        note: Callable[[str], None],
    ) -> None:
        policy.check(master, is_server=False)
        self._name = name
        self._master = master
        self._timing = timing
        self._note = note
        self._transport = Transport(policy, timing.hurried(), CHANNEL_MESSAGES)
        self._poller = Poller()
        self._poller.register(stop, _STOP)
        self._link: Link = self._transport.connect(master)
        self._poller.register(self._link, self._link)
        self._is_stopped = False

    def __enter__(self) -> NamedChannelReader:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._transport.close()

    def batches(self) -> Iterator[list[str]]:
        """The channel's lines, from its first to its last; also while it is being sent.

        Raises:
            NoMaster, VersionMismatch: the master does not answer; ChannelError: no agent has had
            the channel for long, or it is lost before its end.
        """
        place = self._find()
        if place is None:
            return
        # no host: bytes come through the socket, wherever the agent is
        pulls = Pulls(self._transport, self._poller, "", run_of(self._name), self._timing)
        pull = pulls.open(place.address, place.number, 0)
        while not self._is_stopped:
            try:
                batch = self._next(pulls, pull)
            except ShardError as exc:
                raise ChannelError(
                    f"channel {self._name} is lost before its end, at {place.address}: {exc}"
                ) from exc
            if batch is None:
                return
            if batch:
                yield batch

    def _next(self, pulls: Pulls, pull: Pull) -> list[str] | None:
        """Lines that have come; none if there are none yet, None at the end."""
        payload = pull.next_block()
        if payload is not None:
            batch: list[str] = decode(payload)
            return batch
        if pull.is_ended:
            return None
        now = time.monotonic()
        pulls.expire(now)
        self._wait(pulls.deadline(now))
        return []

    def _wait(self, until: float) -> None:
        for each in self._poller.poll(max(0.0, until - time.monotonic())):
            if each == _STOP:
                self._is_stopped = True
            elif callable(each):
                each()

    def _find(self) -> ChannelPlace | None:
        """Ask the master until some agent has the channel; None: stopped meanwhile."""
        timing = self._timing
        begun_at = time.monotonic()
        answered_at: float | None = None  # that nobody has it, first
        is_asked = is_noted = False
        next_ask = begun_at
        while not self._is_stopped:
            now = time.monotonic()
            waited_s = now - begun_at
            if answered_at is None and waited_s >= timing.first_contact_s:
                raise NoMaster(
                    f"no master answers at {self._master} (waited {timing.first_contact_s:g} s)"
                )
            if waited_s >= timing.patience_s:
                raise ChannelError(
                    f"no agent of the master at {self._master} has a channel {self._name} (waited "
                    f"{timing.patience_s:g} s); write one with `glowpy send --to {self._name}`"
                )
            if waited_s >= timing.notice_s and not is_noted and answered_at is not None:
                is_noted = True
                self._note(f"waiting for channel {self._name}")
            if LinkEvent.REFUSED in self._link.events():
                raise NoMaster(
                    f"whoever listens at {self._master} refuses to talk: it holds another key"
                )
            if self._link.is_connected and now >= next_ask:
                next_ask = now + timing.ask_s / 4
                if not is_asked:
                    self._link.send(hello_of("receiver", self._name))
                    is_asked = True
                self._link.send(FindChannel(self._name))
            while (received := self._link.receive()) is not None:
                message, _payload = received
                if isinstance(message, Welcome) and message.refusal:
                    raise VersionMismatch(f"master at {self._master}: {message.refusal}")
                if isinstance(message, ChannelPlace):
                    answered_at = now
                    if message.address:
                        return message
            self._wait(min(next_ask, now + timing.ask_s / 4))
        return None
