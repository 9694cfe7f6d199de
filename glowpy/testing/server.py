"""One server of a test cluster: a real process and its output."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO

from glowpy.environment import with_glowpy
from glowpy.errors import ClusterError, reason_of

_LISTENING = r"^glowpy \w+ listening on (\S+)$"
_START_S = 60.0  # longer than the slowest machine needs; a server that fails to start ends earlier


class OutputLines:
    """The output lines of a process, read by a background thread."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._has_ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        with self._news:
            return "".join(self._lines)

    def wait_for(self, pattern: str, timeout_s: float, number: int = 1) -> re.Match[str] | None:
        """Return the `number`-th match of a pattern; None after end of file or `timeout_s`."""
        with self._news:
            self._news.wait_for(
                lambda: self._has_ended or len(self._matches(pattern)) >= number, timeout_s
            )
            matches = self._matches(pattern)
            return matches[number - 1] if len(matches) >= number else None

    def count(self, pattern: str) -> int:
        """Return the number of matches so far."""
        with self._news:
            return len(self._matches(pattern))

    def _matches(self, pattern: str) -> list[re.Match[str]]:
        return list(re.finditer(pattern, "".join(self._lines), re.M))

    def finish(self) -> None:
        """Read the rest of the output of an ended process, and close the stream."""
        self._thread.join(_START_S)
        self._stream.close()

    def _read(self) -> None:
        for line in self._stream:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()


class ServerProcess:
    """A `glowpy master` or `glowpy agent` process, until `end` or a signal.

    The server ends with the process that started it, even after SIGKILL of that process.

    Raises:
        ClusterError: the process did not start; the message holds its output.
    """

    def __init__(self, role: str, arguments: list[str], directory: str) -> None:
        self.role = role
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "glowpy", role, *arguments, "--until-stdin-closes"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                cwd=directory,  # an empty directory, so no file in it can shadow a module
                env=with_glowpy(),
                start_new_session=True,  # Ctrl-C goes to the test only
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise ClusterError(f"the {role} did not start: {reason_of(exc)}") from exc
        assert self.process.stdout is not None and self.process.stderr is not None
        self._stdout = OutputLines(self.process.stdout)
        self.log = OutputLines(self.process.stderr)
        self._is_stopped = False

    def await_address(self) -> str:
        """Wait until the server listens, and return its address."""
        found = self._stdout.wait_for(_LISTENING, _START_S)
        if found is None:
            self.kill()
            raise ClusterError(f"the {self.role} did not start; it wrote:\n{self.log.text}")
        return found[1]

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """Suspend the process by SIGSTOP; its peers get no message."""
        self._is_stopped = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._is_stopped = False
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> int:
        """SIGKILL the process and return its exit status."""
        self.process.kill()
        return self._reaped(_START_S)

    def terminate(self) -> None:
        """Ask the process to shut down, by closing its standard input."""
        if self._is_stopped and self.is_alive:
            self.resume()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def end(self, patience_s: float) -> int:
        """Shut the process down, after `patience_s` by SIGKILL; return its exit status."""
        self.terminate()
        try:
            return self._reaped(patience_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def _reaped(self, timeout_s: float) -> int:
        status = self.process.wait(timeout_s)
        self._stdout.finish()
        self.log.finish()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return status
