"""A test cluster in one terminal: a master and some agents as child processes on loopback.

Each child holds the read end of a pipe from us as its standard input and ends when that closes, so
the children go however we go. Agents on 127.0.0.1, 127.0.0.2, ... count as different hosts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType

from glowpy.cli.folders import temporary_folder
from glowpy.errors import ClusterError
from glowpy.signals import signal_name
from glowpy.stdio import notify_user
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
from glowpy.wire.messages import AskExecutors, Grants
from glowpy.wire.security import policy_for
from glowpy.wire.transport import Link, Poller, Transport

_LISTENING = " listening on "
_STOP = "stop"
_ABORTS = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)
_MOST_RESTARTS = 5  # of one server
_READ_BYTES = 4096


class _Stopped(Exception):
    """The user wants the end before the cluster is ready."""


@dataclass(slots=True)
class Child:
    """A server of ours in its own process."""

    role: str
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes]
    restarts: int = 0
    text: bytes = b""
    address: str = ""  # known once it has announced it
    ended: bool = False

    @property
    def output(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    @property
    def has_aborted(self) -> bool:
        """The process has ended by a fault of its own, such as an assertion of libzmq."""
        status = self.process.poll()
        return status is not None and -status in _ABORTS

    def read(self) -> None:
        """Take in what it has printed; its first line says where it listens."""
        data = os.read(self.output, _READ_BYTES)
        self.ended = not data
        self.text = (self.text + data)[:_READ_BYTES]
        line, newline, _rest = self.text.partition(b"\n")
        if newline and not self.address:
            self.address = line.decode(errors="replace").rpartition(_LISTENING)[2].strip()


@dataclass(slots=True)
class LocalCluster:
    """Starts a master and `agents` agents, and ends them. A context manager."""

    agents: int
    executors: int  # of each agent
    port: int  # of the master; 0: any
    log_level: str
    timing: Timing
    stop: int  # a file descriptor that becomes readable when all should end

    _children: list[Child] = field(default_factory=list)
    _poller: Poller = field(default_factory=Poller)
    _stack: ExitStack = field(default_factory=ExitStack)
    _deadline: float = 0.0

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_children()
        self._stack.close()

    def run(self) -> None:
        """Start everything, say so on standard output, and wait for the end.

        Raises:
            ConfigError: the port cannot be had.
            ClusterError: a process did not start, or the cluster has fallen apart.
        """
        self._poller.register(self.stop, _STOP)
        with suppress(_Stopped):
            leader = self._start()
            print(f"glowpy cluster ready, leader {leader}", flush=True)
            self._watch()

    def _start(self) -> str:
        self._deadline = time.monotonic() + self.timing.patience_s
        policy = policy_for(Address("127.0.0.1", self.port))
        if self.port:
            with Transport(policy, self.timing) as transport:  # the master would say it its way
                transport.serve(Address("127.0.0.1", self.port), "--port PORT")
        folder = self._stack.enter_context(temporary_folder("glowpy-cluster-"))
        master = self._spawn("master", "--address", f"127.0.0.1:{self.port}")
        self._await_addresses()
        for number in range(1, self.agents + 1):
            self._spawn(
                "agent",
                *("--host", f"127.0.0.{number}", "--port", "0", "--master", master.address),
                *("--dir", os.path.join(folder, f"agent-{number}")),
                *("--max.executors", str(self.executors)),
            )
        self._await_addresses()
        with Transport(policy, self.timing) as transport:
            self._await_registration(transport.connect(parse_address(master.address)))
        return master.address

    def _spawn(self, role: str, *arguments: str, restarts: int = 0) -> Child:
        command = [sys.executable, "-m", "glowpy", role, *arguments]
        process = subprocess.Popen(
            [*command, "--log-level", self.log_level, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us alone: we end the children in order
        )
        child = Child(role, arguments, process, restarts)
        self._children.append(child)
        self._poller.register(child.output, child)
        return child

    def _poll(self, timeout_s: float | None) -> list[Child]:
        """Take in what children print, and return those that have ended just now."""
        ended = []
        ready = self._poller.poll(timeout_s)
        if _STOP in ready:
            raise _Stopped
        for child in ready:
            if isinstance(child, Child):
                was_known = bool(child.address)
                child.read()
                if child.address and not was_known:
                    print(f"glowpy {child.role}{_LISTENING}{child.address}", flush=True)
                if child.ended:
                    self._poller.unregister(child.output)
                    ended.append(child)
        return ended

    def _poll_start(self, waiting_for: str) -> None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise ClusterError(f"the cluster does not start: waited for {waiting_for}")
        # a part of a beat: `_await_registration` asks again each time, and the user waits for it
        for child in self._poll(min(left_s, self.timing.beat_s / 10)):
            raise ClusterError(f"the cluster does not start: {self._obituary(child)}")

    def _await_addresses(self) -> None:
        while missing := [child.role for child in self._children if not child.address]:
            self._poll_start(f"{len(missing)} to listen, first the {missing[0]}")

    def _await_registration(self, link: Link) -> None:
        """Ask the master for nothing until it knows all agents."""
        self._poller.register(link, link)
        known = 0
        while known < self.agents:
            link.send(AskExecutors("glowpy cluster", 0, 0, 0, "", "", 0.0))
            self._poll_start(f"{self.agents - known} agents to reach the master")
            link.events()
            while (received := link.receive()) is not None:
                if isinstance(received[0], Grants):
                    known = received[0].agents_known
        self._poller.unregister(link)

    def _watch(self) -> None:
        """Restart servers that abort. A cluster may lose agents otherwise, but not its master."""
        alive = self.agents
        while True:
            for child in self._poll(None):
                obituary = self._obituary(child)
                if child.has_aborted and child.address and child.restarts < _MOST_RESTARTS:
                    notify_user(f"glowpy: {obituary}; it is restarted")
                    self._restart(child)
                    continue
                alive -= child.role == "agent"
                if child.role == "master" or not alive:
                    raise ClusterError(f"the cluster is over: {obituary}")
                notify_user(f"glowpy: {obituary}")

    def _restart(self, child: Child) -> None:
        """Start a server again, at the address that it had."""
        self._children.remove(child)
        self._end([child])
        port = str(parse_address(child.address).port)
        place = ("--address", child.address) if child.role == "master" else ("--port", port)
        self._spawn(child.role, *child.arguments, *place, restarts=child.restarts + 1)

    def _obituary(self, child: Child) -> str:
        where = f" at {child.address}" if child.address else ""
        try:
            status = child.process.wait(self.timing.shutdown_s)
        except subprocess.TimeoutExpired:
            return f"the {child.role}{where} has closed its output"
        if status < 0:
            return f"the {child.role}{where} was killed by {signal_name(-status) or -status}"
        return f"the {child.role}{where} ended with status {status}"

    def _end_children(self) -> None:
        """Agents first: one whose master is gone would linger over its last heartbeat."""
        self._end([child for child in self._children if child.role == "agent"])
        self._end([child for child in self._children if child.role == "master"])

    def _end(self, children: list[Child]) -> None:
        for child in children:
            assert child.process.stdin is not None
            child.process.stdin.close()
        deadline = time.monotonic() + self.timing.shutdown_s
        for child in children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
            assert child.process.stdout is not None
            child.process.stdout.close()
