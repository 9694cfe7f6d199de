"""`glowpy master` or `glowpy agent` as a child process: started, awaited and ended in one way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress

from glowpy.environment import with_glowpy
from glowpy.errors import ClusterError, reason_of
from glowpy.servers.output_lines import OutputLines
from glowpy.signals import readable, signal_name

# Not in `timing`: limits of waits for the system; normally each wait ends at once.
_DRAIN_S = 10.0  # to read the rest of the output of an ended process
_ENDING_S = 1.0  # from the end of the output to the end of the process
_KILLED_S = 60.0  # to reap a killed process; one in a call of the system ends later

START_LINES = 1000  # of a server's standard error, for the error of a failed start
_ABORTS = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)


class StartStopped(Exception):
    """The start was given up, because the `stop` of `await_address` became readable."""


class ServerProcess:
    """A server as the leader of a new session: Ctrl-C in this terminal does not reach it.

    The server reads a pipe at standard input, and ends with this process by the end of the pipe.
    The lines of standard error are kept in `log`.

    Args:
        directory: the working directory; it should be empty, since modules there hide others.
        owner: follows the role in errors: " of the driver's own cluster".
        most_lines: limit of the log; None: no limit.

    Raises:
        ClusterError: the system starts no process.
    """

    def __init__(
        self,
        role: str,
        arguments: Sequence[str],
        directory: str,
        *,
        owner: str = "",
        most_lines: int | None = None,
    ) -> None:
        self.role = role
        self.arguments = arguments
        self.address = ""  # set by `await_address`
        self._name = f"{role}{owner}"
        self._is_suspended = False
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "glowpy", role, *arguments, "--until-stdin-closes"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                cwd=directory,
                env=with_glowpy(),
                start_new_session=True,
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise ClusterError(f"the {self._name} did not start: {reason_of(exc)}") from exc
        assert self.process.stdin is not None
        assert self.process.stdout is not None and self.process.stderr is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        try:
            self.log = OutputLines(self.process.stderr, most_lines)
        except RuntimeError as exc:  # no more threads
            self.process.kill()
            self.process.wait(_KILLED_S)
            raise ClusterError(f"the {self._name} did not start: {exc}") from exc

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def has_aborted(self) -> bool:
        """The server has ended by a fault of its own, such as an assertion of libzmq."""
        status = self.process.poll()
        return status is not None and -status in _ABORTS

    @property
    def output(self) -> int:
        """A descriptor; after `await_address`, it becomes readable when the server ends."""
        return self._stdout.fileno()

    def await_address(self, timeout_s: float, stop: int = -1) -> str:
        """Wait for the server to announce an address, and return the address.

        Args:
            stop: a descriptor that ends the wait.

        Raises:
            ClusterError: the server ends, or announces none in time; shows its output.
            StartStopped: `stop` is readable.
        """
        line = self._read_line(timeout_s, stop)
        words = line.split()
        if words[:2] == ["glowpy", self.role] and words[-3:-1] == ["listening", "on"]:
            self.address = words[-1]
            return self.address
        try:
            self.process.wait(_ENDING_S)
            why = f"it {self.ending()}"
        except subprocess.TimeoutExpired:
            why = f"it does not listen after {timeout_s:g} s"
        self.kill()
        wrote = f"{line.strip()}\n{self.log.text}".strip()
        wrote = f"; it wrote:\n{wrote}" if wrote else ", and wrote nothing"
        raise ClusterError(f"the {self._name} did not start: {why}{wrote}")

    def ending(self) -> str:
        """How an ended process has ended, as text."""
        status = self.process.returncode
        if status is None or status >= 0:
            return f"ended with exit status {status}"
        return f"ended with {signal_name(-status) or -status}"

    def suspend(self) -> None:
        """SIGSTOP the server; its peers get no message."""
        self._is_suspended = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT the server."""
        self._is_suspended = False
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Let the server end in order."""
        if self._is_suspended and self.is_alive:
            self.resume()
        with suppress(BrokenPipeError):
            self._stdin.close()

    def kill(self) -> int:
        """SIGKILL the server; returns the exit status."""
        self.process.kill()
        return self._reaped(_KILLED_S)

    def end(self, timeout_s: float) -> int:
        """Let the server end in order, or kill it after the timeout; returns the exit status."""
        self.terminate()
        try:
            return self._reaped(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return self.kill()

    def _reaped(self, timeout_s: float) -> int:
        status = self.process.wait(timeout_s)
        self._stdout.close()
        self.log.finish(_DRAIN_S)
        with suppress(BrokenPipeError):
            self._stdin.close()
        return status

    def _read_line(self, timeout_s: float, stop: int) -> str:
        deadline = time.monotonic() + timeout_s
        watched = [self.output] if stop < 0 else [self.output, stop]
        data = b""
        while not data.endswith(b"\n"):
            left_s = max(0.0, deadline - time.monotonic())
            ready = readable(watched, left_s)
            if stop in ready:
                raise StartStopped
            part = os.read(self.output, 4096) if ready else b""
            if not part:
                break
            data += part
        return data.decode(errors="replace")


def _end_by(server: ServerProcess, deadline: float) -> None:
    server.end(deadline - time.monotonic())


def end_servers(
    master: ServerProcess | None, agents: Iterable[ServerProcess], patience_s: float
) -> None:
    """End agents first: an agent without a master would linger over its last heartbeat."""
    agents = list(agents)
    for agent in agents:
        agent.terminate()
    deadline = time.monotonic() + patience_s
    with ExitStack() as ends:  # a server that does not end keeps no other from its end
        if master is not None:
            ends.callback(master.end, patience_s)
        for agent in reversed(agents):
            ends.callback(_end_by, agent, deadline)
