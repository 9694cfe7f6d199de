"""The agent's process: sockets, processes, files and a clock around `AgentCore`."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from typing import Any

from glowpy.agent.actions import DeleteRun, OpenDirectory, StartProcess, ToDriver
from glowpy.agent.agent_keys import AgentKeys
from glowpy.agent.agent_log import ids_of, log_sent
from glowpy.agent.core import AgentCore
from glowpy.agent.directory import AgentDirectory
from glowpy.agent.executors import Limits
from glowpy.agent.fetching import ProgramFetch
from glowpy.agent.host import AgentHost, EmbedderAction
from glowpy.agent.launching import task_start
from glowpy.agent.membership import Membership
from glowpy.agent.named_channels import NamedChannels
from glowpy.agent.options import AgentOptions
from glowpy.agent.printed import PrintedOutput
from glowpy.agent.processes import Processes
from glowpy.agent.run_programs import RunPrograms
from glowpy.logger import get_logger
from glowpy.resources import cores
from glowpy.secret import Secret, TaskSecrets
from glowpy.shards.segment import NONCE_BYTES
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.channel_messages import CHANNEL_MESSAGES
from glowpy.wire.greeting import welcome
from glowpy.wire.key_source import KeySource, take_keys
from glowpy.wire.messages import Heartbeat, Hello, ProveAddress
from glowpy.wire.roles import AGENT_RULES
from glowpy.wire.run_messages import Printed
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Transport

log = get_logger(__name__)

_BATCH = 1000  # messages handled in a row, before other work


def serve_agent(
    options: AgentOptions,
    policy: Policy,
    timing: Timing,
    announce: Callable[[str], None],
    stop: int,
    keys: KeySource | None = None,
) -> None:
    """Serve until the file descriptor `stop` becomes readable.

    `announce` is called once with the listening address.

    Raises:
        ConfigError: the address or the directory cannot be used, or the policy refuses the address;
        ClusterError, VersionMismatch: the master refuses this agent.
    """
    with (
        AgentDirectory(options.directory, clean_restart=options.clean_restart) as directory,
        Transport(policy, timing, CHANNEL_MESSAGES) as transport,
        Transport(policy, timing) as fetching,
        AgentServer(options, directory, transport, fetching, policy, timing) as agent,
    ):
        announce(str(agent.address))
        agent.serve(stop, keys)


class AgentServer:
    """One agent in its process. A context manager: leaving ends every executor.

    Args:
        fetching: for connections to drivers. ZeroMQ resolves the names of hosts in the thread of
            all connections of a transport, so a slow resolver must not stop the others.
    """

    def __init__(
        self,
        options: AgentOptions,
        directory: AgentDirectory,
        transport: Transport,
        fetching: Transport,
        policy: Policy,
        timing: Timing,
    ) -> None:
        self._options = options
        self._directory = directory
        self._transport = transport
        self._fetching = fetching
        self._timing = timing
        self._poller = Poller()
        self._server = transport.serve(
            options.address, "--port PORT", rules=AGENT_RULES, has_reserve=True
        )
        assert isinstance(self._server.address, Address)
        self.address = self._server.address
        self._advertised = str(options.advertised or self.address)
        self._name = f"{self._advertised}-{secrets.token_hex(4)}"
        self._keys = AgentKeys(self._name, self._advertised, policy)
        self._core = AgentCore(
            owner=self._advertised,
            host=options.address.host,
            directory=str(directory.runs),
            limits=Limits(options.executor_limit, options.memory_mb),
            timing=timing,
            make_nonce=lambda: secrets.token_bytes(NONCE_BYTES),
            make_secret=lambda _executor: Secret.make(),
            use_lease=self._keys.use_lease,
        )
        self._programs = RunPrograms(
            directory.cache,
            directory.programs,
            fetching,
            self._poller,
            timing,
            self._program_ready,
            self._program_failed,
        )
        self._host = AgentHost(
            self._core,
            self._server,
            options.address.host,
            start=self._start,
            kill=self._kill,
            drain=lambda executor: self._processes.drain(executor),
            perform=self._perform,
        )
        self._processes = Processes(
            self._poller, self._host.process_said, self._process_ended, timing.shutdown_s
        )
        self._channels = NamedChannels(
            str(directory.channels),
            self._core.index,
            timing,
            lambda: secrets.token_bytes(NONCE_BYTES),
            lambda: self._membership.changed(),
            self._host.shards.let_go,
        )
        self._printed = PrintedOutput(self._server)
        self._membership = Membership(
            transport, self._poller, options.master, self._name, self._heartbeat, timing
        )
        self._cores = cores()
        self._has_stopped = False
        self._poller.register(self._server, self._receive)

    def __enter__(self) -> AgentServer:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._programs.close()
        self._processes.__exit__(None, None, None)
        self._host.shards.close()
        self._channels.close()

    def serve(self, stop: int, keys: KeySource | None = None) -> None:
        """Serve until `stop` is readable, then close every run.

        Raises:
            ClusterError, VersionMismatch: the master refuses this agent.
        """
        self._poller.register(stop, self._stop)
        if keys is not None:
            self._poller.register(keys.changed, lambda: take_keys(keys, self._use))
        self._programs.trim()
        while not self._has_stopped:
            now = time.monotonic()
            timeout_s = min(self._membership.advance(now) - now, self._timing.beat_s)
            for handle in self._poller.poll(timeout_s):
                handle()
            now = time.monotonic()
            self._programs.tick()
            for peer in self._printed.tick():
                self._host.carry_out(self._core.driver_gone(peer))
            self._host.carry_out(self._core.tick(now))
            self._host.carry_out(self._channels.tick(now))
            for executor, reason, _ in self._host.executors_to_kill(now):
                ids = self._core.about(executor)
                log.warning("executor %s is killed: %s", executor, reason, extra=ids)
                self._host.kill(executor, reason)
        self._membership.leave()
        self._host.carry_out(self._core.close_all())

    def _stop(self) -> None:
        self._has_stopped = True

    def _heartbeat(self) -> Heartbeat:
        options = self._options
        return Heartbeat(
            agent=self._name,
            address=self._advertised,
            data_center=options.data_center,
            rack=options.rack,
            cpu_level=options.cpu_level,
            executor_limit=options.executor_limit,
            memory_mb=options.memory_mb,
            leases=self._core.leases(),
            cores=self._cores,
            channels=self._channels.names(),
            clock_s=self._keys.clock_s(),
        )

    def _use(self, policy: Policy) -> None:
        self._transport.use(policy)
        self._fetching.use(policy)
        self._keys.use(policy)
        self._membership.reconnect()

    # --- drivers, executors, readers ---

    def _receive(self) -> None:
        for _ in range(_BATCH):
            received = self._server.receive()
            if received is None:
                return
            peer, message, payload = received
            try:
                self._handle(peer, message, payload)
            except Exception:  # a bug met by one message ends no agent
                log.exception("dropped a message that failed: %s", type(message).__name__)

    def _handle(self, peer: bytes, message: Any, payload: bytes) -> None:
        if self._host.receive(peer, message, payload):
            return
        if isinstance(message, ProveAddress):
            self._membership.prove(message.nonce)
        elif isinstance(message, Hello):
            self._server.send(peer, welcome(message, "agent", str(self._options.master)))
        elif self._receive_for_channel(peer, message, payload):
            return
        elif hasattr(message, "run"):
            self._host.from_driver(peer, message, payload)
        else:
            log.warning("dropped a message for others: %s", type(message).__name__)

    def _receive_for_channel(self, peer: bytes, message: object, payload: bytes) -> bool:
        answer = self._channels.receive(peer, message, payload, time.monotonic())
        if answer is None:
            return False
        state, sends = answer
        self._server.send(peer, state)
        self._host.carry_out(sends)
        return True

    def _perform(self, action: EmbedderAction) -> None:
        if isinstance(action, ToDriver):
            if self._send(action):
                log_sent(log, action.message)
                return
            name = type(action.message).__name__
            log.debug("a driver left before its %s", name, extra=ids_of(action.message))
            self._host.carry_out(self._core.driver_gone(action.peer))
        elif isinstance(action, OpenDirectory):
            self._open(action)
        elif isinstance(action, DeleteRun):
            self._delete(action.run, action.directory)
        else:
            self._membership.changed()

    def _send(self, action: ToDriver) -> bool:
        if isinstance(action.message, Printed):
            return self._printed.send(action.peer, action.message)
        return self._server.send(action.peer, action.message, action.payload or None)

    # --- runs ---

    def _open(self, action: OpenDirectory) -> None:
        module = action.message.module
        of_module = f" of module {module}" if module else ""
        log.info("run %s%s begins", action.run, of_module, extra={"run": action.run})
        try:
            os.mkdir(action.directory, 0o700)
        except OSError as exc:
            self._program_failed(action.run, str(exc))
        else:
            self._server.admit_run(action.message.secret, action.run)
            self._programs.begin(action.message)

    def _program_ready(self, fetch: ProgramFetch) -> None:
        files, size_bytes = fetch.files_fetched, fetch.bytes_fetched
        self._host.carry_out(self._core.program_ready(fetch.run, files, size_bytes))

    def _program_failed(self, run: str, reason: str) -> None:
        self._host.carry_out(self._core.program_failed(run, reason))

    def _delete(self, run: str, directory: str) -> None:
        self._server.dismiss_run(run)
        served = self._host.shards.forget(directory)
        log.info(
            "run %s is over: served %d frames, %d bytes to other hosts; "
            "fetched %d program files, %d bytes",
            run,
            served.frames,
            served.size_bytes,
            *self._programs.end(run),
            extra={"run": run},
        )
        shutil.rmtree(directory, ignore_errors=True)

    # --- processes ---

    def _start(self, action: StartProcess) -> None:
        fetch, directory = self._programs.of_run(action.run)
        try:
            start = task_start(
                fetch.opening,
                fetch.program,
                directory,
                action,
                str(self.address),
                self._core.run_directory(action.run),
            )
            proofs = TaskSecrets(action.secret, fetch.opening.secret, self._keys.server_public)
            pid = self._processes.start(action.executor, proofs, *start)
        # for instance a null byte or a lone surrogate in a word
        except (OSError, ValueError) as exc:
            self._host.start_failed(action.executor, str(exc))
            return
        self._host.process_started(action.executor, pid)

    def _kill(self, executor: str) -> None:
        log.debug("a process is killed", extra=self._core.about(executor))
        self._processes.kill(executor)

    def _process_ended(self, executor: str, cause: str) -> None:
        log.debug("a process has ended: %s", cause, extra=self._core.about(executor))
        self._host.process_ended(executor, cause)
