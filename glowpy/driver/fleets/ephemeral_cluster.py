"""The driver's own cluster: a real master and a real agent on loopback, with a throw-away key.

Used when no leader was named and none answers on localhost. The first run starts the cluster, and
later runs share it. The servers end with the driver, even by SIGKILL, and remove their files.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading

from glowpy.driver.scratch import make_directory, remove
from glowpy.errors import ClusterError
from glowpy.resources import cores, memory_mb
from glowpy.servers.server_process import START_LINES, ServerProcess, end_servers
from glowpy.signals import signals_blocked
from glowpy.stdio import notify_user
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
from glowpy.wire.key_policy import policy_of
from glowpy.wire.key_storage import save_keys
from glowpy.wire.roles import Role
from glowpy.wire.transport.curve import make_keys

_HOST = "127.0.0.1"


def is_answering(address: Address, timeout_s: float) -> bool:
    """Return True if a server accepts connections at an address."""
    try:
        with socket.create_connection((address.host, address.port), timeout=timeout_s):
            return True
    except OSError:
        return False


_shared: EphemeralCluster | None = None
_lock = threading.Lock()


def shared_cluster(timing: Timing) -> tuple[EphemeralCluster, bool]:
    """Return the own cluster of this process, and True if this call has started it.

    Raises:
        ClusterError: a server did not start.
    """
    global _shared
    with _lock:
        if _shared is not None and _shared.is_alive():
            return _shared, False
        end_shared_cluster()
        _shared = EphemeralCluster(timing)
        atexit.register(_shared.close)
        return _shared, True


def end_shared_cluster() -> None:
    """End the cluster before the process ends."""
    global _shared
    if _shared is not None:
        atexit.unregister(_shared.close)
        _shared.close()
        _shared = None


class EphemeralCluster:
    """One master and one agent, started by the constructor.

    Raises:
        ClusterError: a server did not start; shows its output.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._driver = os.getpid()
        self._servers: list[ServerProcess] = []
        self.executor_count = cores()
        self._directory = ""
        try:
            with signals_blocked():  # so that `close` finds the new directory
                self._directory = make_directory("glowpy-cluster-")
            key_file = os.path.join(self._directory, "key")
            keys = make_keys()
            save_keys(key_file, keys)
            self.policy = policy_of(keys, Role.DRIVER, key_file)
            common = ["--key-file", key_file, "--log-level", "error"]
            address = ["--address", f"{_HOST}:0", "--then-remove", self._directory]
            self.leader = self._start("master", [*address, *common])
            place = ["--master", str(self.leader), "--host", _HOST, "--port", "0"]
            limits = ["--max-executors", str(self.executor_count), "--memory", str(memory_mb())]
            self._start("agent", [*place, *limits, *common])
        except BaseException as exc:
            self.close()
            if not isinstance(exc, ClusterError):
                raise
            raise ClusterError(
                f"{exc}\n(-glow.leader names a cluster that runs already; without -glow the flow "
                "runs on the cores of this host)"
            ) from None

    def is_alive(self) -> bool:
        """Return True while both servers run; False in a fork of the driver."""
        running = [server.is_alive for server in self._servers]
        return len(running) == 2 and all(running) and os.getpid() == self._driver

    def close(self) -> None:
        """End the servers, by force after a timeout; remove their files."""
        if os.getpid() != self._driver:
            return  # the servers belong to the parent
        end_servers(next(iter(self._servers), None), self._servers[1:], self._timing.shutdown_s)
        self._servers.clear()
        if self._directory:
            remove(self._directory)

    def _start(self, role: str, arguments: list[str]) -> Address:
        """Start `glowpy ROLE` and return the announced address."""
        owner = " of the driver's own cluster"
        server = ServerProcess(
            role, arguments, self._directory, owner=owner, most_lines=START_LINES
        )
        self._servers.append(server)
        address = parse_address(server.await_address(self._timing.patience_s))
        server.log.pass_on(notify_user)
        return address
