"""The client of `glowpy send`: sends lines to an agent, which stores them under a name."""

from __future__ import annotations

import os
import stat
import time

from glowpy.errors import ChannelError, ClusterError, InputError
from glowpy.shards.lines import encode_lines
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.channel_messages import (
    CHANNEL_MESSAGES,
    ChannelRows,
    ChannelState,
    EndChannel,
    OpenChannel,
)
from glowpy.wire.contact import ClientIdentity, Contact
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Transport

_CHUNK_BYTES = 256 << 10
_MOST_UNDERWAY = 8  # limit of unanswered messages
_MOST_LINE_BYTES = 16 << 20
_STOP, _INPUT = "stop", "input"


class Sender:
    """Sends the lines of one channel to an agent."""

    def __init__(
        self, name: str, agent: Address, policy: Policy, timing: Timing, stop: int
    ) -> None:
        self._name = name
        self._agent = agent
        self._policy = policy
        self._timing = timing
        self._stop = stop
        self._begun = b""  # start of a line whose end has not been read
        self._underway = 0

    def run(self, descriptor: int) -> bool:
        """Send all lines of a file; return False if the user stopped the command before the end.

        Raises:
            ClusterError, VersionMismatch: the agent does not answer.
            ChannelError: the agent refuses the channel.
        """
        timing = self._timing
        with Transport(self._policy, timing, CHANNEL_MESSAGES) as transport:
            self._poller = Poller()
            self._poller.register(self._stop, _STOP)
            caller = ClientIdentity(role="sender", name=self._name, option="--agent ")
            self._contact = Contact(
                transport, self._poller, self._agent, "agent", caller, timing, _STOP
            )
            if not self._contact.handshake(timing.first_contact_s):
                return False
            self._say(OpenChannel(self._name))
            self._await_answers()
            if not self._send_all(descriptor):
                return False
            self._say(EndChannel(self._name))
            self._await_answers()
        return True

    def _send_all(self, descriptor: int) -> bool:
        """Send lines as the file yields them, and a keepalive message while no line arrives."""
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if not is_file:
            self._poller.register(descriptor, _INPUT)
        is_ended = False
        while not is_ended:
            ready = self._wait(0.0 if is_file else self._timing.beat_s)
            if _STOP in ready:
                return False
            if is_file or _INPUT in ready:
                data = os.read(descriptor, _CHUNK_BYTES)
                is_ended = not data
                self._take(data)
            elif not self._underway:
                self._say(ChannelRows(self._name, 0))
            while self._underway >= _MOST_UNDERWAY:
                self._await_answer()
        return True

    def _take(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        if not data and self._begun:
            lines, self._begun = [self._begun], b""
        if len(self._begun) > _MOST_LINE_BYTES:
            raise InputError(
                f"a line of channel {self._name} has more than {_MOST_LINE_BYTES >> 20} MB"
            )
        if lines:
            rows = [line.removesuffix(b"\r") for line in lines]
            self._say(ChannelRows(self._name, len(rows)), encode_lines(rows))

    def _say(
        self, message: OpenChannel | ChannelRows | EndChannel, payload: bytes | None = None
    ) -> None:
        self._contact.send(message, payload)
        self._underway += 1

    def _await_answers(self) -> None:
        while self._underway:
            self._await_answer()

    def _await_answer(self) -> None:
        """Wait for the answer to one message."""
        deadline = time.monotonic() + self._timing.peer_lost_s
        count = self._underway
        while self._underway == count:
            self._wait(max(0.0, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                raise ClusterError(
                    f"the agent at {self._agent} no longer answers (waited "
                    f"{self._timing.peer_lost_s:g} s), and may not have all of channel {self._name}"
                )

    def _wait(self, timeout_s: float) -> list[str]:
        ready = self._poller.poll(timeout_s)
        while (received := self._contact.receive()) is not None:
            message, _payload = received
            if isinstance(message, ChannelState):
                if message.refusal:
                    raise ChannelError(
                        f"the agent at {self._agent} refuses channel {self._name}: "
                        f"{message.refusal}"
                    )
                self._underway -= 1
        if not self._contact.is_welcome:
            raise ClusterError(
                f"the agent at {self._agent} is gone before it had all of channel {self._name}: "
                "send it again"
            )
        return [each for each in ready if isinstance(each, str)]
