"""Lines on their way to an agent, which keeps them under a name: `glowpy send`."""

from __future__ import annotations

import os
import stat
import time

from glowpy.errors import ChannelError, ClusterError, InputError, VersionMismatch
from glowpy.shards.codec import encode
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.channel_messages import (
    CHANNEL_MESSAGES,
    ChannelRows,
    ChannelState,
    EndChannel,
    OpenChannel,
)
from glowpy.wire.greeting import hello_of
from glowpy.wire.messages import Welcome
from glowpy.wire.security import Policy
from glowpy.wire.transport import Link, LinkEvent, Poller, Transport

_CHUNK_BYTES = 256 << 10
_MOST_UNDERWAY = 8  # messages that the agent has not answered
_MOST_LINE_BYTES = 16 << 20
_STOP, _INPUT = "stop", "input"


class Sender:
    """One channel that is being sent."""

    def __init__(
        self, name: str, agent: Address, policy: Policy, timing: Timing, stop: int
    ) -> None:
        self._name = name
        self._agent = agent
        self._policy = policy
        self._timing = timing
        self._stop = stop
        self._begun = b""  # a line that has not ended yet
        self._underway = 0

    def run(self, descriptor: int) -> bool:
        """Send all that a file has; False: stopped before the end.

        Raises:
            ClusterError, VersionMismatch: the agent does not answer; ChannelError: it refuses.
        """
        timing = self._timing
        with Transport(self._policy, timing, CHANNEL_MESSAGES) as transport:
            self._link: Link = transport.connect(self._agent)
            self._poller = Poller()
            self._poller.register(self._link, self._link)
            self._poller.register(self._stop, _STOP)
            self._await_connection()
            self._link.send(hello_of("sender", self._name))
            self._say(OpenChannel(self._name))
            self._await_answers()
            if not self._send_all(descriptor):
                return False
            self._say(EndChannel(self._name))
            self._await_answers()
        return True

    def _send_all(self, descriptor: int) -> bool:
        """Lines of the file, as they come; now and then a sign of life."""
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
            raise InputError(f"a line has more than {_MOST_LINE_BYTES >> 20} MB")
        if lines:
            rows = [line.removesuffix(b"\r").decode("utf-8", "surrogateescape") for line in lines]
            self._say(ChannelRows(self._name, len(rows)), encode(rows))

    def _say(
        self, message: OpenChannel | ChannelRows | EndChannel, payload: bytes | None = None
    ) -> None:
        self._link.send(message, payload)
        self._underway += 1

    def _await_connection(self) -> None:
        deadline = time.monotonic() + self._timing.first_contact_s
        while not self._link.is_connected:
            self._wait(max(0.0, deadline - time.monotonic()))
            if LinkEvent.REFUSED in self._link.events():
                raise ClusterError(
                    f"whoever listens at {self._agent} refuses to talk: name the cluster's key by "
                    "--key-file, if it has one"
                )
            if time.monotonic() >= deadline:
                raise ClusterError(
                    f"no agent answers at {self._agent} (waited {self._timing.first_contact_s:g} "
                    "s); start one with `glowpy agent`, or name another by --agent"
                )

    def _await_answers(self) -> None:
        while self._underway:
            self._await_answer()

    def _await_answer(self) -> None:
        """Wait until one more message has been answered."""
        deadline = time.monotonic() + self._timing.peer_lost_s
        count = self._underway
        while self._underway == count:
            self._wait(max(0.0, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                raise ClusterError(f"the agent at {self._agent} no longer answers")

    def _wait(self, timeout_s: float) -> list[str]:
        ready = self._poller.poll(timeout_s)
        while (received := self._link.receive()) is not None:
            message, _payload = received
            if isinstance(message, Welcome) and message.refusal:
                raise VersionMismatch(f"agent at {self._agent}: {message.refusal}")
            if isinstance(message, Welcome) and message.role != "agent":
                raise ClusterError(f"at {self._agent} listens no agent, but a {message.role}")
            if isinstance(message, ChannelState):
                if message.refusal:
                    raise ChannelError(
                        f"the agent at {self._agent} does not take channel {self._name}: "
                        f"{message.refusal}"
                    )
                self._underway -= 1
        if LinkEvent.DISCONNECTED in self._link.events():
            raise ClusterError(f"the agent at {self._agent} is gone")
        return [each for each in ready if isinstance(each, str)]
