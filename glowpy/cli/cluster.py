"""The test cluster of `glowpy cluster`: a master and agents as child processes on loopback.

Agents on 127.0.0.1, 127.0.0.2, ... count as different hosts.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, suppress
from types import TracebackType

from glowpy.cli.folders import temporary_folder
from glowpy.errors import ClusterError
from glowpy.servers.server_process import START_LINES, ServerProcess, StartStopped, end_servers
from glowpy.stdio import notify_user
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
from glowpy.wire.key_policy import policy_for
from glowpy.wire.messages import AskExecutors, Grants
from glowpy.wire.roles import Role
from glowpy.wire.security import Policy
from glowpy.wire.transport import Poller, Transport

_STOP = "stop"
_HOST = "127.0.0.1"
_MOST_RESTARTS = 5  # of the server at one address


class LocalCluster:
    """Starts and watches a master and agents on this host. A context manager, which ends them.

    Args:
        executors: of each agent.
        port: of the master; 0: any free port.
        stop: a file descriptor that becomes readable to end the cluster.
    """

    def __init__(
        self, agents: int, executors: int, port: int, log_level: str, timing: Timing, stop: int
    ) -> None:
        self._agent_count = agents
        self._executors = executors
        self._port = port
        self._log_level = log_level
        self._timing = timing
        self._stop = stop
        self._master: ServerProcess | None = None
        self._agents: list[ServerProcess] = []
        self._restarts: Counter[str] = Counter()  # by address
        self._poller = Poller()
        self._stack = ExitStack()

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end_servers(self._master, self._agents, self._timing.shutdown_s)
        self._stack.close()

    def run(self) -> None:
        """Start the servers, print their addresses, and wait for `stop`.

        Raises:
            ConfigError: the port is in use.
            ClusterError: a server did not start, or the master or all agents have ended.
        """
        self._poller.register(self._stop, _STOP)
        with suppress(StartStopped):
            leader = self._start()
            print(f"glowpy cluster ready, leader {leader}", flush=True)
            self._watch()

    def _start(self) -> str:
        deadline = time.monotonic() + self._timing.patience_s
        policy = policy_for(Address(_HOST, self._port), role=Role.DRIVER)
        if self._port:
            with Transport(policy, self._timing) as transport:  # the error names this --port
                transport.serve(Address(_HOST, self._port), "--port PORT")
        folder = self._stack.enter_context(temporary_folder("glowpy-cluster-"))
        self._folder = folder
        log = ["--log-level", self._log_level]
        self._master = self._spawn("master", ["--address", f"{_HOST}:{self._port}", *log])
        leader = self._listening(self._master, deadline)
        for number in range(1, self._agent_count + 1):
            where = ["--host", f"127.0.0.{number}", "--port", "0", "--master", leader]
            own = ["--dir", os.path.join(folder, f"agent-{number}")]
            limit = ["--max.executors", str(self._executors)]
            self._agents.append(self._spawn("agent", [*where, *own, *limit, *log]))
        for agent in self._agents:
            self._listening(agent, deadline)
        self._await_registration(leader, policy, deadline)
        return leader

    def _spawn(self, role: str, arguments: list[str]) -> ServerProcess:
        return ServerProcess(role, arguments, self._folder, most_lines=START_LINES)

    def _listening(self, server: ServerProcess, deadline: float) -> str:
        address = server.await_address(max(0.0, deadline - time.monotonic()), self._stop)
        server.log.pass_on(notify_user)
        print(f"glowpy {server.role} listening on {address}", flush=True)
        self._poller.register(server.output, server)
        return address

    def _await_registration(self, leader: str, policy: Policy, deadline: float) -> None:
        """Ask the master for no executors until it knows all agents."""
        known = 0
        with Transport(policy, self._timing) as transport:
            link = transport.connect(parse_address(leader))
            self._poller.register(link, link)
            while known < self._agent_count:
                link.send(
                    AskExecutors(
                        driver="glowpy cluster",
                        executor_count=0,
                        held=0,
                        memory_mb=0,
                        data_center="",
                        rack="",
                        bid=0.0,
                    )
                )
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    missing = self._agent_count - known
                    raise ClusterError(
                        f"the cluster does not start: {missing} agents have not reached the master"
                    )
                # a part of a beat: the next ask follows, and the user waits for the answer
                for server in self._poll(min(left_s, self._timing.beat_s / 10)):
                    raise ClusterError(f"the cluster does not start: {self._ending(server)}")
                link.events()
                while (received := link.receive()) is not None:
                    if isinstance(received[0], Grants):
                        known = received[0].agents_known
            self._poller.unregister(link)

    def _watch(self) -> None:
        """Restart servers that abort; wait for another end of the master or of all agents."""
        alive = len(self._agents)
        while True:
            for server in self._poll(None):
                ending = self._ending(server)
                if server.has_aborted and self._restarts[server.address] < _MOST_RESTARTS:
                    notify_user(f"glowpy: {ending}; it is restarted")
                    self._restart(server)
                    continue
                alive -= server.role == "agent"
                if server.role == "master" or not alive:
                    raise ClusterError(f"the cluster is over: {ending}")
                notify_user(f"glowpy: {ending}")

    def _restart(self, server: ServerProcess) -> None:
        """Start a server again at the same address."""
        self._restarts[server.address] += 1
        server.end(self._timing.shutdown_s)
        port = str(parse_address(server.address).port)
        place = ("--address", server.address) if server.role == "master" else ("--port", port)
        again = self._spawn(server.role, [*server.arguments, *place])
        if server.role == "master":
            self._master = again
        else:
            self._agents[self._agents.index(server)] = again
        self._listening(again, time.monotonic() + self._timing.patience_s)

    def _poll(self, timeout_s: float | None) -> list[ServerProcess]:
        """Return the servers that have ended since the last call."""
        ready = self._poller.poll(timeout_s)
        if _STOP in ready:
            raise StartStopped
        ended = [server for server in ready if isinstance(server, ServerProcess)]
        for server in ended:
            self._poller.unregister(server.output)
        return ended

    def _ending(self, server: ServerProcess) -> str:
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(self._timing.shutdown_s)
            return f"the {server.role} at {server.address} {server.ending()}"
        return f"the {server.role} at {server.address} has closed its output"
