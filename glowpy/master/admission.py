"""The connections that speak for agents: each has proved the address of the agent. Pure.

    heartbeat on a new connection ──> Probe: ProveAddress goes to the address in the heartbeat
      └── AddressProof with the nonce on the same connection ──> heartbeats are admitted
      └── proof on another connection, or none ──> heartbeats are dropped; a later one is probed

Only the listener at an address gets the nonce, so a heartbeat for the address of another agent has
no effect. The name of an agent stays with its address: a connection that has proved another address
cannot take the name. An agent that restarts or reconnects proves its address again by one message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from glowpy.errors import ConfigError
from glowpy.record import NamedTuple
from glowpy.secret import Secret
from glowpy.wire.address import parse_address
from glowpy.wire.greeting import printable
from glowpy.wire.messages import Heartbeat

MOST_PROBES = 64  # at a time; each opens a connection
_MOST_WAITING = 10_000  # connections without a proved address
# leases and channels in their heartbeats, about 300 bytes each
_MOST_WAITING_ITEMS = 200_000


class Probe(NamedTuple):
    """Send the nonce to this address."""

    address: str
    nonce: Secret


class Admitted(NamedTuple):
    """The address is proved: process this heartbeat."""

    heartbeat: Heartbeat


class Dropped(NamedTuple):
    """Log, once for each connection, that heartbeats are dropped."""

    agent: str
    address: str
    reason: str


Decision: TypeAlias = Probe | Admitted | Dropped


def address_fault(text: str) -> str:
    """Return the reason why no driver can connect to an address; empty for a usable address.

    >>> address_fault("h:8931"), address_fault(":8931")
    ('', 'nobody can connect to :8931')
    """
    try:
        address = parse_address(text)
    except ConfigError as exc:
        return printable(exc)
    return "" if address.host and address.port else f"nobody can connect to {address}"


class _Waiting:
    """A connection without a proved address."""

    nonce = Secret()  # empty: no probe is in progress
    is_logged = False

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat
        self.heard_at = 0.0
        self.next_probe = 0.0

    @property
    def claim(self) -> tuple[str, str]:
        return self.heartbeat.agent, self.heartbeat.address


class Admission:
    """Decides which heartbeats and goodbyes are processed.

    Args:
        retry_s: after a probe that failed.
        forget_s: a connection without a heartbeat for this long is forgotten.
        make_nonce: sixteen random bytes.
    """

    def __init__(self, retry_s: float, forget_s: float, make_nonce: Callable[[], Secret]) -> None:
        self._retry_s = retry_s
        self._forget_s = forget_s
        self._make_nonce = make_nonce
        self._waiting: dict[bytes, _Waiting] = {}  # the next to be probed first
        self._waiting_items = 0
        self._probes: dict[Secret, bytes] = {}  # connection by nonce
        self._proved: dict[bytes, tuple[str, str]] = {}  # agent and address by connection
        self._speaker: dict[str, bytes] = {}  # the connection by address
        self._holder: dict[str, bytes] = {}  # the connection by agent

    def heartbeat(self, peer: bytes, heartbeat: Heartbeat, now: float) -> list[Decision]:
        """Process a heartbeat of a connection."""
        claim = heartbeat.agent, heartbeat.address
        if self._proved.get(peer) == claim:
            return [Admitted(heartbeat)]
        waiting = self._waiting.get(peer)
        if waiting is None and len(self._waiting) >= _MOST_WAITING:
            return []
        before = 0 if waiting is None else _items_of(waiting.heartbeat)
        if self._waiting_items - before + _items_of(heartbeat) > _MOST_WAITING_ITEMS:
            return []
        if waiting is None or waiting.claim != claim:
            if waiting is not None and waiting.nonce:
                return []  # each probe opens a connection, which lasts until its end
            waiting = self._waiting[peer] = _Waiting(heartbeat)
        self._waiting_items += _items_of(heartbeat) - before
        waiting.heartbeat, waiting.heard_at = heartbeat, now
        return self._probe_due(peer, waiting, now)

    def proof(self, peer: bytes, nonce: Secret, now: float) -> list[Decision]:
        """Process a nonce that a connection has returned."""
        expected = self._probes.pop(nonce, None)
        waiting = None if expected is None else self._waiting.get(expected)
        if expected is None or waiting is None:
            return []
        waiting.nonce = Secret()
        heartbeat = waiting.heartbeat
        text = ""
        if expected != peer:
            text = "the agent at this address is at another connection"
        elif self._has_other(heartbeat.agent, heartbeat.address, peer):
            text = "the agent of this name is at another address"
        if text:
            waiting.next_probe = now + self._forget_s
            return [*self._dropped(waiting, text), *self._next_probes(now)]
        self._drop_waiting(peer)
        self._bind(peer, heartbeat.agent, heartbeat.address)
        return [Admitted(heartbeat), *self._next_probes(now)]

    def unreachable(self, nonce: Secret, reason: str, now: float) -> list[Decision]:
        """Handle a nonce that could not be sent, or was not returned in time."""
        peer = self._probes.pop(nonce, b"")
        waiting = self._waiting.get(peer)
        if waiting is None:
            return []
        waiting.nonce = Secret()
        waiting.next_probe = now + self._retry_s
        self._waiting[peer] = self._waiting.pop(peer)  # behind the connections not probed yet
        return [*self._dropped(waiting, reason), *self._next_probes(now)]

    def speaks_for(self, peer: bytes, agent: str) -> bool:
        """True if the connection has proved the address of the agent."""
        return self._proved.get(peer, ("", ""))[0] == agent

    def forget(self, address: str) -> None:
        """Forget the connection of the agent at an address."""
        peer = self._speaker.pop(address, None)
        if peer is not None:
            agent, _address = self._proved.pop(peer)
            if self._holder.get(agent) == peer:
                del self._holder[agent]

    def tick(self, now: float) -> list[Decision]:
        """Forget silent connections."""
        for peer, waiting in list(self._waiting.items()):
            if now - waiting.heard_at >= self._forget_s:
                self._end_probe(waiting)
                self._drop_waiting(peer)
        return self._next_probes(now)

    def _bind(self, peer: bytes, agent: str, address: str) -> None:
        self.forget(address)
        before = self._proved.get(peer)
        if before is not None:
            self.forget(before[1])
        self._proved[peer] = agent, address
        self._speaker[address] = peer
        self._holder[agent] = peer

    def _has_other(self, agent: str, address: str, peer: bytes) -> bool:
        """True if another connection speaks for an agent of this name at another address."""
        holder = self._holder.get(agent, peer)
        return holder != peer and self._proved[holder][1] != address

    def _drop_waiting(self, peer: bytes) -> None:
        self._waiting_items -= _items_of(self._waiting.pop(peer).heartbeat)

    def _probe_due(self, peer: bytes, waiting: _Waiting, now: float) -> list[Decision]:
        if waiting.nonce or now < waiting.next_probe or len(self._probes) >= MOST_PROBES:
            return []
        waiting.nonce = self._make_nonce()
        self._probes[waiting.nonce] = peer
        return [Probe(waiting.heartbeat.address, waiting.nonce)]

    def _next_probes(self, now: float) -> list[Decision]:
        """Start probes of waiting connections, up to the limit."""
        found: list[Decision] = []
        for peer, waiting in self._waiting.items():
            if len(self._probes) >= MOST_PROBES:
                break
            found += self._probe_due(peer, waiting, now)
        return found

    def _end_probe(self, waiting: _Waiting) -> None:
        self._probes.pop(waiting.nonce, None)

    def _dropped(self, waiting: _Waiting, reason: str) -> list[Decision]:
        if waiting.is_logged:
            return []
        waiting.is_logged = True
        return [Dropped(waiting.heartbeat.agent, waiting.heartbeat.address, reason)]

    def check_invariants(self) -> None:
        """For tests: check that the indexes agree."""
        assert len(self._speaker) == len(self._proved)
        assert all(self._proved[peer][1] == address for address, peer in self._speaker.items())
        assert all(self._proved[peer][0] == agent for agent, peer in self._holder.items())
        assert len(self._holder) == len(self._proved)
        waiting = [_items_of(each.heartbeat) for each in self._waiting.values()]
        assert self._waiting_items == sum(waiting)
        assert len(self._probes) <= MOST_PROBES
        for nonce, peer in self._probes.items():
            assert self._waiting[peer].nonce == nonce


def _items_of(heartbeat: Heartbeat) -> int:
    return len(heartbeat.leases) + len(heartbeat.channels)
