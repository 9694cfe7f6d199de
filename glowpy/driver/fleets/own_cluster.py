"""The driver's own cluster: a real master and a real agent on loopback, with a throw-away key.

Used when no leader was named and none answers on localhost. It is started by the first run that
needs it and serves the later ones. Its processes read the end of a pipe when the driver ends,
however that happens; then they end, too, and remove their files.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
import time

from glowpy.driver.fleets.own_process import OwnProcess
from glowpy.driver.scratch import make_directory, remove
from glowpy.resources import cores, memory_mb
from glowpy.signals import signals_blocked
from glowpy.timing import Timing
from glowpy.wire.address import Address
from glowpy.wire.security import policy_of, save_key
from glowpy.wire.transport import make_key

_HOST = "127.0.0.1"


def is_answering(address: Address, timeout_s: float) -> bool:
    """True when something accepts connections there."""
    try:
        with socket.create_connection((address.host, address.port), timeout=timeout_s):
            return True
    except OSError:
        return False


_shared: OwnCluster | None = None
_lock = threading.Lock()


def shared_cluster(timing: Timing) -> tuple[OwnCluster, bool]:
    """The own cluster of this process, and whether it has just been started.

    Raises:
        ClusterError: it did not start.
    """
    global _shared
    with _lock:
        if _shared is not None and _shared.is_alive():
            return _shared, False
        end_shared_cluster()
        _shared = OwnCluster(timing)
        atexit.register(_shared.close)
        return _shared, True


def end_shared_cluster() -> None:
    """End it before the process does."""
    global _shared
    if _shared is not None:
        atexit.unregister(_shared.close)
        _shared.close()
        _shared = None


class OwnCluster:
    """One master and one agent, started when made.

    Raises:
        ClusterError: a process did not start; says what it wrote.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._driver = os.getpid()
        self._processes: list[OwnProcess] = []
        self.executor_count = cores()
        self._directory = ""
        try:
            with signals_blocked():  # once something is there, it is known
                self._directory = make_directory("glowpy-cluster-")
            key_file = os.path.join(self._directory, "key")
            save_key(key_file, make_key())
            self.policy = policy_of(key_file)
            common = ["--key-file", key_file, "--until-stdin-closes", "--log-level", "error"]
            address = ["--address", f"{_HOST}:0", "--then-remove", self._directory]
            self.leader = self._start("master", [*address, *common])
            place = ["--master", str(self.leader), "--host", _HOST, "--port", "0"]
            limits = ["--max-executors", str(self.executor_count), "--memory", str(memory_mb())]
            self._start("agent", [*place, *limits, *common])
        except BaseException:
            self.close()
            raise

    def is_alive(self) -> bool:
        """True while both processes run, in the process that started them."""
        running = [process.is_alive for process in self._processes]
        return len(running) == 2 and all(running) and os.getpid() == self._driver

    def close(self) -> None:
        """End the processes, at once if they do not end when told to; remove their files."""
        if os.getpid() != self._driver:
            return  # they are the parent's
        deadline = time.monotonic() + self._timing.shutdown_s
        # The agent first: it would linger over a last word to a master that is gone.
        for process in reversed(self._processes):
            process.close(deadline)
        self._processes.clear()
        if self._directory:
            remove(self._directory)

    def _start(self, role: str, arguments: list[str]) -> Address:
        """Start `glowpy ROLE`; the address that it announces."""
        process = OwnProcess(role, arguments, self._directory)
        self._processes.append(process)
        return process.await_address(self._timing.patience_s)
