"""The driver's own cluster: a real master and a real agent on loopback, with a throw-away key.

Used when no leader was named and none answers on localhost. It is started by the first run that
needs it and serves the later ones. Its processes read the end of a pipe when the driver ends,
however that happens; then they end, too, and remove their files.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import subprocess
import sys
import threading
import time

from glowpy.driver.scratch import make_directory, remove
from glowpy.environment import with_glowpy
from glowpy.errors import ClusterError
from glowpy.resources import cores, memory_mb
from glowpy.signals import undisturbed
from glowpy.timing import Timing
from glowpy.wire.address import Address, parse_address
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
        self._processes: list[subprocess.Popen[bytes]] = []
        self.executor_count = cores()
        self._directory = ""
        try:
            with undisturbed():  # once something is there, it is known
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
        running = [process.poll() is None for process in self._processes]
        return len(running) == 2 and all(running) and os.getpid() == self._driver

    def close(self) -> None:
        """End the processes, at once if they do not end when told to; remove their files."""
        if os.getpid() != self._driver:
            return  # they are the parent's
        deadline = time.monotonic() + self._timing.shutdown_s
        # The agent first: it would linger over a last word to a master that is gone.
        for process in reversed(self._processes):
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        if self._directory:
            remove(self._directory)

    def _start(self, role: str, arguments: list[str]) -> Address:
        """Start `glowpy ROLE`; the address that it announces."""
        process = subprocess.Popen(
            [sys.executable, "-m", "glowpy", role, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._directory,  # an empty one: nothing there can stand in for a module
            env=with_glowpy(),
            start_new_session=True,  # Ctrl-C is the driver's to handle
        )
        self._processes.append(process)
        assert process.stdout is not None
        line = _read_line(process.stdout.fileno(), self._timing.first_contact_s)
        words = line.split()
        if len(words) != 5 or words[:2] != ["glowpy", role]:
            raise ClusterError(
                f"the {role} of the driver's own cluster did not start; it said {line!r}"
            )
        return parse_address(words[-1])


def _read_line(descriptor: int, timeout_s: float) -> str:
    deadline = time.monotonic() + timeout_s
    data = b""
    while not data.endswith(b"\n"):
        left = max(0.0, deadline - time.monotonic())
        if not select.select([descriptor], [], [], left)[0]:
            break
        part = os.read(descriptor, 4096)
        if not part:
            break
        data += part
    return data.decode(errors="replace").strip()
