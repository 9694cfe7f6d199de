"""A cluster for tests: real processes on loopback hosts of their own, to be killed one by one."""

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
from glowpy.testing.faults import BOUND_S, ArmedFault, Attempt, Faults
from glowpy.testing.server import ServerProcess
from glowpy.timing import Timing
from glowpy.wire.security import save_key
from glowpy.wire.transport import make_key

_MOST_AGENTS = 250


class LocalCluster:
    """A master and agents, started on entering, ended and removed on leaving.

    Agent number n listens on 127.0.0.<n+1> and counts as a host of its own: what it has written is
    read over sockets, and is out of reach once it is dead.

    Args:
        agents: how many to begin with; see `add_agent`.
        executors: of each agent.
        memory_mb: of each agent, for all its executors together.
        time_scale: runs every interval and deadline at this fraction, here and in the servers; see
            docs/faults.md. None: as this process's environment says.
        with_key: has no effect; each cluster has a throw-away key, and all traffic is encrypted.
        directory: where its files go, in a new directory; the system's temporary one if none.

    Raises (when entered):
        ClusterError: a server did not start; says what it wrote.
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
        self._addresses: list[str] = []  # of agents, dead ones too
        self._advertised: dict[int, str] = {}  # by agent
        self._joined_before: dict[int, int] = {}  # how often, before an agent was started anew
        self._key: list[str] = []  # options that name it
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
            save_key(key_file, make_key())
            self._key = ["--key-file", key_file]
            self._start_master("127.0.0.1:0")
            for number in range(self._agent_count):
                self._agents.append(self._start_agent(number, "0"))
                self._addresses.append("")
            for number in range(self._agent_count):
                self._addresses[number] = self._agents[number].await_address()
            for number in range(self._agent_count):
                self._await_member(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        patience_s = max(self._timing.shutdown_s, BOUND_S)
        for agent in self._agents:
            agent.terminate()
        for agent in self._agents:
            agent.end(patience_s)
        if self._master is not None:
            self._master.end(patience_s)
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
        """What makes a script or a `Flow` run on this cluster."""
        return ["-glow", f"-glow.leader={self.leader}", f"-key.file={self.key_file}"]

    def flow(self, *more_flags: str) -> Flow:
        """A new flow that runs here."""
        return Flow([*self.flags, *more_flags])

    # --- executors ---

    def kill_executor(self, at_row: int = 0, **where: Any) -> ArmedFault:
        """The next executor that comes to this row dies there; see `Faults.kill_executor`."""
        return self.faults.kill_executor(at_row, **where)

    def hold_executor(self, at_row: int = 0, **where: Any) -> ArmedFault:
        """The next executor that comes to this row waits there; see `Faults.hold_executor`."""
        return self.faults.hold_executor(at_row, **where)

    def kill_attempt(self, attempt: Attempt) -> bool:
        """SIGKILL the executor of an attempt now, wherever it is; False: it has ended already."""
        try:
            descriptor = os.pidfd_open(attempt.pid)
        except ProcessLookupError:
            return False
        try:
            # Its number may be another process's by now.
            agents = [agent.process.pid for agent in self._agents]
            is_ours = _parent_of(attempt.pid) in agents
            if is_ours:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            return is_ours
        finally:
            os.close(descriptor)

    def attempts(self) -> list[Attempt]:
        """Every attempt of a task group that was begun here."""
        return self.faults.attempts()

    def recomputed(self) -> dict[str, int]:
        """How often task groups were begun again, by name: {"Input0>Map1 task 0": 1}."""
        return self.faults.recomputed()

    def agent_of(self, pid: int) -> int:
        """Number of the agent that has started an executor, by the executor's process id.

        Raises:
            LookupError: it has begun nothing that was counted.
        """
        for attempt in self.attempts():
            if attempt.pid == pid:
                return int(attempt.host.rpartition(".")[2]) - 1
        raise LookupError(f"process {pid} is no executor that has begun anything here")

    # --- agents ---

    def address_of(self, agent: int) -> str:
        """Where an agent listens."""
        return self._addresses[agent]

    def runs_of(self, agent: int) -> str:
        """The directory where an agent keeps what runs write; one directory for each run."""
        return os.path.join(self._directory_of(agent), "runs")

    def log_of(self, agent: int) -> str:
        """What an agent has logged, since it was started last."""
        return self._agents[agent].log.text

    def is_alive(self, agent: int) -> bool:
        """False once it has been killed, until it is restarted."""
        return self._agents[agent].is_alive

    def kill_agent(self, agent: int = 0) -> None:
        """SIGKILL an agent; its executors end by themselves, and its shards are gone."""
        status = self._agents[agent].kill()
        assert status == -signal.SIGKILL, f"agent {agent} had ended before, with {status}"

    def pause_agent(self, agent: int = 0) -> None:
        """SIGSTOP an agent; its executors run on, and their messages wait."""
        self._agents[agent].stop()

    def resume_agent(self, agent: int = 0) -> None:
        """SIGCONT an agent."""
        self._agents[agent].resume()

    def restart_agent(self, agent: int = 0) -> None:
        """A new agent on the same port, which has no shards; the one before is killed first."""
        if self._agents[agent].is_alive:
            self.kill_agent(agent)
        port = self._addresses[agent].rpartition(":")[2]
        assert self._master is not None
        self._joined_before[agent] = self._master.log.count(self._joining(agent))
        self._agents[agent] = self._start_agent(agent, port)
        self._agents[agent].await_address()

    def add_agent(self, advertise: str = "") -> int:
        """One more agent; its number.

        Args:
            advertise: where others reach it, host:port, if something stands in between.
        """
        agent = len(self._agents)
        self._advertised[agent] = advertise
        self._agents.append(self._start_agent(agent, "0"))
        self._addresses.append(self._agents[agent].await_address())
        return agent

    # --- the master ---

    def kill_master(self) -> None:
        """SIGKILL the master."""
        assert self._master is not None
        status = self._master.kill()
        assert status == -signal.SIGKILL, f"the master had ended before, with {status}"

    def restart_master(self) -> None:
        """A new master on the same port, which knows nothing. Kills a living one."""
        assert self._master is not None
        if self._master.is_alive:
            self.kill_master()
        self._start_master(self.leader)

    # --- between two tests ---

    def restore(self) -> None:
        """As new: servers that are dead or suspended are started again, faults disarmed."""
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
        """Files of runs at living agents, and processes of executors: none once runs are over."""
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
        self.leader = self._master.await_address()
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
        """Wait until the master knows a living agent."""
        assert self._master is not None
        number = self._joined_before.get(agent, 0) + 1
        self._master.log.wait_for(self._joining(agent), BOUND_S, number)

    def _joining(self, agent: int) -> str:
        """What the master says when it hears of an agent first."""
        address = self._advertised.get(agent) or self._addresses[agent]
        return rf"at {re.escape(address)} \(.*joined"


def _new_directory(parent: str | None) -> str:
    try:
        return tempfile.mkdtemp(prefix="glowpy-testing-", dir=parent)
    except OSError as exc:
        raise ClusterError(
            f"cannot make a directory for the test cluster: {exc}; name one that can be written by "
            "directory= or TMPDIR"
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
    """Process id of a process's parent; 0 if it is gone."""
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return 0
