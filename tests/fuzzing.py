"""State machines and live servers under random messages (`message_grammar`)."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any, Protocol

import zmq

from glowpy.agent.actions import DeleteRun, KillProcess, OpenDirectory, StartProcess
from glowpy.agent.core import AgentCore
from glowpy.agent.executors import Limits
from glowpy.agent.named_channels import NamedChannels
from glowpy.errors import ProtocolError
from glowpy.master.master import Master
from glowpy.timing import Timing
from glowpy.version import __version__
from glowpy.wire.address import parse_address
from glowpy.wire.channel_messages import CHANNEL_MESSAGES
from glowpy.wire.coding import Coder
from glowpy.wire.greeting import PYTHON, hello_of
from glowpy.wire.messages import MESSAGES, PROTOCOL_VERSION, Heartbeat, Welcome
from glowpy.wire.roles import Role
from glowpy.wire.run_messages import (
    Commit,
    ExecutorHello,
    ExecutorReady,
    GroupEnded,
    Printed,
    Progress,
)
from glowpy.wire.status_messages import STATUS_MESSAGES
from glowpy.wire.transfers import CancelFetch, Fetch, MoreCredit
from glowpy.wire.transport import Poller, Transport
from glowpy.wire.user_key import user_keys
from tests.echoing import BOUND_S, TIMING
from tests.keys import own_policy
from tests.message_grammar import SECRETS, Grammar

TABLE = MESSAGES | STATUS_MESSAGES | CHANNEL_MESSAGES
PEERS = [b"p1", b"p2", b"p3"]
NONCE = b"n" * 16


class Fuzzed(Protocol):
    """A state machine behind a socket."""

    def receive(self, peer: bytes, message: Any, payload: bytes, now: float) -> None: ...

    def tick(self, now: float) -> None: ...


class FuzzedMaster:
    """The master's state machine; every answer is encoded, and its invariants are checked."""

    def __init__(self, _directory: str) -> None:
        self._master = Master(Timing(), 0.0)
        self._coder = Coder(TABLE)

    def receive(self, _peer: bytes, message: Any, _payload: bytes, now: float) -> None:
        answer = self._master.handle(message, now)
        if answer is not None:
            self._coder.decode(self._coder.encode(answer))

    def tick(self, now: float) -> None:
        self._master.tick(now)
        self._master.check_invariants()


class FuzzedAgent:
    """The agent's state machine; its actions are answered in the way of the shell."""

    def __init__(self, directory: str) -> None:
        self._coder = Coder(TABLE)
        self._pids = itertools.count(100)
        self._is_of_our_release = itertools.cycle([True, True, False])
        self._core = AgentCore(
            owner="127.0.0.1:8931",
            host="127.0.0.1",
            directory=directory,
            limits=Limits(4, 1024),
            timing=Timing(),
            make_nonce=lambda: NONCE,
            make_secret=lambda _executor: SECRETS[0],
        )
        self._channels = NamedChannels(
            directory, self._core.index, Timing(), lambda: NONCE, lambda: None, lambda _path: None
        )

    def receive(self, peer: bytes, message: Any, payload: bytes, now: float) -> None:
        core, index = self._core, self._core.index
        if isinstance(message, ExecutorHello) and next(self._is_of_our_release):
            message = message._replace(protocol=PROTOCOL_VERSION, glowpy=__version__, python=PYTHON)
        if isinstance(message, Fetch):
            index.fetch(
                peer,
                message.fetch,
                message.run,
                message.attempt,
                message.shard,
                first_block=message.first_block,
                credit_bytes=message.credit_bytes,
                is_local=message.reader_host == "127.0.0.1",
                secret=message.secret,
            )
        elif isinstance(message, MoreCredit):
            index.more_credit(peer, message.fetch, message.credit_bytes)
        elif isinstance(message, CancelFetch):
            index.cancel(peer, message.fetch)
        elif isinstance(
            message, (ExecutorHello, ExecutorReady, Commit, Progress, GroupEnded, Printed)
        ):
            self._carry_out(core.from_executor(peer, message, payload))
        elif self._channels.receive(peer, message, payload, now) is None and hasattr(
            message, "run"
        ):
            self._carry_out(core.from_driver(peer, message, payload, now))

    def tick(self, now: float) -> None:
        self._carry_out(self._core.tick(now))
        self._channels.tick(now)
        leases, channels = self._core.leases(), self._channels.names()
        beat = Heartbeat("a", "127.0.0.1:8931", "dc", "r", 1, 4, 1024, leases, 4, channels)
        self._coder.decode(self._coder.encode(beat))

    def _carry_out(self, actions: list[Any]) -> None:
        for action in actions:
            if isinstance(action, OpenDirectory):
                self._carry_out(self._core.program_ready(action.run, 1, 1))
            elif isinstance(action, StartProcess):
                self._carry_out(self._core.process_started(action.executor, next(self._pids)))
            elif isinstance(action, KillProcess):
                self._carry_out(self._core.process_exited(action.executor, "signal SIGKILL"))
            elif hasattr(action, "message") and not isinstance(action, DeleteRun):
                self._coder.decode(self._coder.encode(action.message))


def fuzz(machine: Fuzzed, random: Random, count: int) -> int:
    """Send `count` random messages; return the number of valid messages."""
    grammar, coder = Grammar(random, TABLE), Coder(TABLE)
    taken, now = 0, 0.0
    for number in range(count):
        now += random.choice([0.1, 1.0, 20.0]) if random.random() < 0.005 else 0.0
        try:
            message = coder.decode(grammar.encoded())
        except ProtocolError:
            continue
        taken += 1
        machine.receive(random.choices(PEERS, [8, 1, 1])[0], message, grammar.payload(), now)
        if number % 16 == 0:
            machine.tick(now)
    return taken


_PEERS_OF = {
    "master": (Role.AGENT, Role.DRIVER, Role.VIEWER),
    "agent": (Role.DRIVER, Role.SERVER, Role.DRIVER),
}


def fuzz_live(role: str, address: str, random: Random, count: int) -> None:
    """Send `count` random messages to a server, with greetings between, which must be answered.

    Raises:
        AssertionError: the server does not answer.
    """
    grammar = Grammar(random, TABLE)
    context = zmq.Context()
    try:
        for role_of_peer in _PEERS_OF[role]:
            with context.socket(zmq.DEALER) as socket:
                socket.setsockopt(zmq.LINGER, 1000)
                pairs = user_keys().newest.pairs
                own = pairs[role_of_peer]
                socket.curve_publickey, socket.curve_secretkey = own.public, own.secret
                socket.curve_serverkey = pairs[Role.SERVER].public
                socket.connect(f"tcp://{address}")
                for _ in range(count // 3):
                    frames = [grammar.encoded()]
                    if random.random() < 0.2:
                        frames += [grammar.payload()] * random.choice([1, 1, 2])
                    socket.send_multipart(frames)
                _await_welcome(role, address)
    finally:
        context.term()


def _await_welcome(role: str, address: str) -> None:
    with Transport(own_policy(), TIMING, CHANNEL_MESSAGES) as transport:
        link = transport.connect(parse_address(address))
        poller = Poller()
        poller.register(link, link)
        link.send(hello_of("driver", "fuzz"))
        while link in poller.poll(BOUND_S):
            link.events()
            while (received := link.receive()) is not None:
                if isinstance(received[0], Welcome):
                    assert received[0].role == role
                    return
    raise AssertionError(f"the {role} does not answer")
