"""A reader of named channels on a cluster, for `glowpy receive` and for drivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from glowpy.errors import ChannelError, ShardError
from glowpy.secret import Secret
from glowpy.shards.lines import decode_lines
from glowpy.task.pulling import Pull, Pulls
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.channel_messages import CHANNEL_MESSAGES, ChannelPlace, FindChannel, run_of
from glowpy.wire.contact import ClientIdentity, Contact
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Transport

_STOP = "stop"


class NamedChannelReader:
    """Locates a channel through the master and pulls its rows from the channel's agent.

    A context manager.

    Args:
        stop: a file descriptor that becomes readable when the caller needs no more rows.
        note: called with the text of a wait that lasts.
        option, key_option: the user's names of the options for master and key, for messages.
    """

    def __init__(
        self,
        name: str,
        master: Address,
        policy: Policy,
        timing: Timing,
        stop: int,
        note: Callable[[str], None],
        option: str,
        key_option: str,
    ) -> None:
        policy.check(master, is_server=False)
        self._name = name
        self._master = master
        self._timing = timing
        self._note = note
        self._transport = Transport(policy, timing.without_linger(), CHANNEL_MESSAGES)
        self._poller = Poller()
        self._poller.register(stop, _STOP)
        caller = ClientIdentity(role="receiver", name=name, option=option, key_option=key_option)
        self._contact = Contact(
            self._transport, self._poller, master, "master", caller, timing, _STOP
        )
        self._is_stopped = False

    def __enter__(self) -> NamedChannelReader:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._transport.close()

    def batches(self) -> Iterator[list[str]]:
        """Yield the channel's lines from first to last, also during the sending.

        Raises:
            NoMaster, VersionMismatch: the master does not answer.
            ChannelError: no agent has the channel within the patience, or it was lost before its
                end.
        """
        place = self._find()
        if place is None:
            return
        # without a host name, bytes always come through the socket
        pulls = Pulls(self._transport, self._poller, "", run_of(self._name), Secret(), self._timing)
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
        """Return new lines; an empty list if there are none yet, None at the end."""
        payload = pull.next_block()
        if payload is not None:
            return decode_lines(payload)
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
        """Ask the master until an agent has the channel; return None if stopped meanwhile."""
        timing, contact = self._timing, self._contact
        begun_at = time.monotonic()
        patience_s = timing.first_contact_s  # after the first contact: `patience_s`
        is_noted = False
        next_ask = 0.0
        while not self._is_stopped:
            if not contact.is_welcome:
                if not contact.handshake(patience_s):
                    return None
                patience_s, next_ask = timing.patience_s, 0.0
            while (received := contact.receive()) is not None:
                place = received[0]
                if isinstance(place, ChannelPlace) and place.address:
                    return place
            now = time.monotonic()
            waited_s = now - begun_at
            if waited_s >= timing.patience_s:
                raise ChannelError(
                    f"no agent of the master at {self._master} has a channel {self._name} (waited "
                    f"{timing.patience_s:g} s); write one with `glowpy send --to {self._name}`"
                )
            if waited_s >= timing.notice_s and not is_noted:
                is_noted = True
                self._note(f"waiting for channel {self._name}")
            if now >= next_ask:
                next_ask = now + timing.find_s
                contact.send(FindChannel(self._name))
            self._wait(next_ask)
        return None
