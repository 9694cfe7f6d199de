"""A cluster for tests: real processes on loopback hosts, each of which a test can kill."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Sequence
from typing import Any

import psutil

from glowpy.environment import SCALE_VARIABLE
from glowpy.errors import ClusterError, ConfigError
from glowpy.flow.flow import Flow
from glowpy.paths import expand_path
from glowpy.servers.server_process import ServerProcess, end_servers
from glowpy.testing.faults import BOUND_S, ArmedFault, Attempt, Faults
from glowpy.timing import Timing
from glowpy.wire.key_storage import save_keys
from glowpy.wire.transport.curve import make_keys

_MOST_AGENTS = 250


class LocalCluster:
    """A master and agents: entering the context starts the servers, leaving ends all of them.

    Agent number n listens on 127.0.0.<n+1> and counts as a separate host: its shards are read over
    sockets, and are unreachable once the agent is dead.

    Args:
        agents: number of agents at the start; `add_agent` adds more.
        executors: number of executors of each agent.
        memory_mb: memory of each agent, shared by all its executors.
        time_scale: factor for every interval and deadline, here and in the servers; see
            docs/faults.md. None: the factor of this process's environment.
        with_key: ignored; each cluster has a throw-away key, and all traffic is encrypted.
        directory: parent of the cluster's new directory; None: the system's temporary directory.

    Raises (when entered):
        ClusterError: a server did not start; the message holds the server's output.
    """

    def __init__(
        self,
        agents: int = 3,
        *,
        executors: int = 1,
        memory_mb: int = 1024,
        time_scale: float | None = None,
        with_key: bool = True,
        directory: str | None = None,
    ) -> None:
        if not 0 <= agents <= _MOST_AGENTS:
            raise ConfigError(f"a test cluster has 0 to {_MOST_AGENTS} agents, not {agents}")
        self._agent_count = agents
        self._executors = executors
        self._memory_mb = memory_mb
        self._time_scale = time_scale
        self._parent = None if directory is None else expand_path(directory)
        self._master: ServerProcess | None = None
        self._agents: list[ServerProcess] = []
        self._addresses: list[str] = []  # of all agents, dead agents included
        self._advertised: dict[int, str] = {}  # by agent
        self._joined_before: dict[int, int] = {}  # joins of an agent before its last restart
        self._key: list[str] = []  # command-line options of the key
        self._directory = ""
        self._timing = Timing()
        self.faults = Faults()
        self.leader = ""

    def __enter__(self) -> LocalCluster:
        self._scale_before = os.environ.get(SCALE_VARIABLE)
        if self._time_scale is not None:
            os.environ[SCALE_VARIABLE] = repr(self._time_scale)
        try:
            self._timing = Timing.from_environment()
            self._directory = _new_directory(self._parent)
            self.faults.__enter__()
            key_file = os.path.join(self._directory, "cluster.key")
            save_keys(key_file, make_keys())
            self._key = ["--key-file", key_file]
            self._start_master("127.0.0.1:0")
            for number in range(self._agent_count):
                self._agents.append(self._start_agent(number, "0"))
                self._addresses.append("")
            for number in range(self._agent_count):
                self._addresses[number] = self._agents[number].await_address(BOUND_S)
            for number in range(self._agent_count):
                self._await_member(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        patience_s = max(self._timing.shutdown_s, BOUND_S)
        end_servers(self._master, self._agents, patience_s)
        if self.faults.directory:
            self.faults.__exit__()
        if self._time_scale is not None:
            if self._scale_before is None:
                os.environ.pop(SCALE_VARIABLE, None)
            else:
                os.environ[SCALE_VARIABLE] = self._scale_before
        shutil.rmtree(self._directory, ignore_errors=True)

    # --- using it ---

    @property
    def key_file(self) -> str:
        """Path of the cluster's throw-away key, for `--key-file` and `-key.file`."""
        return self._key[1]

    @property
    def flags(self) -> list[str]:
        """The flags that make a script or a `Flow` run on this cluster."""
        return ["-glow", f"-glow.leader={self.leader}", f"-key.file={self.key_file}"]

    def flow(self, *more_flags: str) -> Flow:
        """Return a new flow that runs on this cluster."""
        return Flow([*self.flags, *more_flags])

    # --- executors ---

    def kill_executor(self, at_row: int = 0, **where: Any) -> ArmedFault:
        """Kill the next executor that reaches row `at_row`; see `Faults.kill_executor`."""
        return self.faults.kill_executor(at_row, **where)

    def hold_executor(self, at_row: int = 0, **where: Any) -> ArmedFault:
        """Hold the next executor that reaches row `at_row`; see `Faults.hold_executor`."""
        return self.faults.hold_executor(at_row, **where)

    def kill_attempt(self, attempt: Attempt) -> bool:
        """SIGKILL the executor of an attempt now; return False if the executor has ended."""
        try:
            descriptor = os.pidfd_open(attempt.pid)
        except ProcessLookupError:
            return False
        try:
            # The system may have given the number to another process.
            agents = [agent.process.pid for agent in self._agents]
            is_ours = _parent_of(attempt.pid) in agents
            if is_ours:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            return is_ours
        finally:
            os.close(descriptor)

    def attempts(self) -> list[Attempt]:
        """Return every attempt of a task group on this cluster, in the order of their starts."""
        return self.faults.attempts()

    def recomputed(self) -> dict[str, int]:
        """Return the number of repeated attempts by task group: {"Input0>Map1 task 0": 1}."""
        return self.faults.recomputed()

    def agent_of(self, pid: int) -> int:
        """Return the number of the agent that started an executor, given the executor's process id.

        Raises:
            LookupError: no attempt of this executor was counted.
        """
        for attempt in self.attempts():
            if attempt.pid == pid:
                return int(attempt.host.rpartition(".")[2]) - 1
        raise LookupError(f"process {pid} is no executor that has begun a task group here")

    # --- agents ---

    def address_of(self, agent: int) -> str:
        """Return the address on which an agent listens, as host:port."""
        return self._addresses[agent]

    def runs_of(self, agent: int) -> str:
        """Return an agent's directory for run data, with one subdirectory for each run."""
        return os.path.join(self._directory_of(agent), "runs")

    def log_of(self, agent: int) -> str:
        """Return an agent's log since its last start."""
        return self._agents[agent].log.text

    def is_alive(self, agent: int) -> bool:
        """True while the agent's process runs."""
        return self._agents[agent].is_alive

    def kill_agent(self, agent: int = 0) -> None:
        """SIGKILL an agent; its executors end by themselves, and its shards are lost."""
        status = self._agents[agent].kill()
        assert status == -signal.SIGKILL, f"agent {agent} had ended before, with {status}"

    def pause_agent(self, agent: int = 0) -> None:
        """SIGSTOP an agent; its executors continue, and their messages wait."""
        self._agents[agent].suspend()

    def resume_agent(self, agent: int = 0) -> None:
        """SIGCONT an agent."""
        self._agents[agent].resume()

    def restart_agent(self, agent: int = 0) -> None:
        """Kill an agent if necessary, and start one without shards on the same port."""
        if self._agents[agent].is_alive:
            self.kill_agent(agent)
        port = self._addresses[agent].rpartition(":")[2]
        assert self._master is not None
        self._joined_before[agent] = self._master.log.count(self._joining(agent))
        self._agents[agent] = self._start_agent(agent, port)
        self._agents[agent].await_address(BOUND_S)

    def add_agent(self, advertise: str = "") -> int:
        """Start one more agent and return its number.

        Args:
            advertise: address for the other processes, host:port, if a proxy stands before the
                agent.
        """
        agent = len(self._agents)
        self._advertised[agent] = advertise
        self._agents.append(self._start_agent(agent, "0"))
        self._addresses.append(self._agents[agent].await_address(BOUND_S))
        return agent

    # --- the master ---

    def kill_master(self) -> None:
        """SIGKILL the master."""
        assert self._master is not None
        status = self._master.kill()
        assert status == -signal.SIGKILL, f"the master had ended before, with {status}"

    def restart_master(self) -> None:
        """Kill the master if necessary, and start one without state on the same port."""
        assert self._master is not None
        if self._master.is_alive:
            self.kill_master()
        self._start_master(self.leader)

    # --- between two tests ---

    def restore(self) -> None:
        """Restart dead servers, resume suspended servers and disarm all faults."""
        self.faults.reset()
        assert self._master is not None
        if not self._master.is_alive:
            self.restart_master()
        for number, agent in enumerate(self._agents):
            agent.resume()
            if not agent.is_alive:
                self.restart_agent(number)
        for number in range(len(self._agents)):
            self._await_member(number)

    def left_behind(self) -> list[str]:
        """Return run files of living agents and executor processes; empty after all runs."""
        found = []
        for number, agent in enumerate(self._agents):
            if agent.is_alive:
                runs = self.runs_of(number)
                found += [os.path.join(runs, name) for name in _listed(runs)]
        found += [f"process {each.pid}" for each in self.attempts() if _is_running(each.pid)]
        return found

    # --- processes ---

    def _start_master(self, address: str) -> None:
        self._master = ServerProcess("master", ["--address", address, *self._key], self._directory)
        self.leader = self._master.await_address(BOUND_S)
        self._joined_before.clear()

    def _start_agent(self, number: int, port: str) -> ServerProcess:
        place = ["--host", f"127.0.0.{number + 1}", "--port", port, "--master", self.leader]
        limits = ["--max-executors", str(self._executors), "--memory", str(self._memory_mb)]
        folder = ["--dir", self._directory_of(number)]
        if self._advertised.get(number):
            place += ["--advertise", self._advertised[number]]
        return ServerProcess("agent", [*place, *limits, *folder, *self._key], self._directory)

    def _directory_of(self, agent: int) -> str:
        return os.path.join(self._directory, f"agent-{agent}")

    def _await_member(self, agent: int) -> None:
        """Wait until a living agent has joined the master."""
        assert self._master is not None
        number = self._joined_before.get(agent, 0) + 1
        if self._master.log.wait_for(self._joining(agent), BOUND_S, number) is None:
            raise ClusterError(
                f"agent {agent} has not joined the master of the test cluster within {BOUND_S:g} "
                f"s; the master wrote:\n{self._master.log.text}"
            )

    def _joining(self, agent: int) -> str:
        """Return the pattern of the master's log line for a joining agent."""
        address = self._advertised.get(agent) or self._addresses[agent]
        return rf"at {re.escape(address)} \(.*joined"


def _new_directory(parent: str | None) -> str:
    try:
        return tempfile.mkdtemp(prefix="glowpy-testing-", dir=parent)
    except OSError as exc:
        raise ClusterError(
            f"cannot make a directory for the test cluster: {exc}; set directory= or TMPDIR to a "
            "writable directory"
        ) from exc


def _listed(directory: str) -> Sequence[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return ()


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _parent_of(pid: int) -> int:
    """Return the process id of a process's parent, 0 if the process has ended."""
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return 0
