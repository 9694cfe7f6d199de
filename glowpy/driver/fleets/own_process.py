"""A server of the driver's own cluster: `glowpy ROLE` as a child process.

Standard error of the server is kept for the error message until the server listens, and appears on
standard error of the driver afterwards. The server ends with the driver, by the end of a pipe.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time

from glowpy.environment import with_glowpy
from glowpy.errors import ClusterError, reason_of
from glowpy.signals import signal_name
from glowpy.stdio import notify_user
from glowpy.wire.address import Address, parse_address

_MOST_BYTES = 1 << 16  # of standard error, kept for the message
_DRAIN_S = 1.0  # to read what an ended process has left in its pipes


class OwnProcess:
    """Started when made; `close` ends it.

    Raises:
        ClusterError: the system starts no process.
    """

    def __init__(self, role: str, arguments: list[str], directory: str) -> None:
        self._role = role
        self._kept: bytearray | None = bytearray()  # standard error; None: passed on
        self._lock = threading.Lock()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "glowpy", role, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,  # an empty one: nothing there can stand in for a module
                env=with_glowpy(),
                start_new_session=True,  # Ctrl-C is the driver's to handle
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise self._failed(f"the system starts no process: {reason_of(exc)}") from exc
        assert self._process.stderr is not None
        self._stderr = self._process.stderr.fileno()
        self._reader = threading.Thread(
            target=self._read_errors, name=f"glowpy stderr of the {role}", daemon=True
        )
        try:
            self._reader.start()
        except RuntimeError as exc:  # no more threads
            self._process.kill()
            self._process.wait()
            raise self._failed(str(exc)) from exc

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def await_address(self, timeout_s: float) -> Address:
        """Wait for the line in which the server announces its address.

        Raises:
            ClusterError: the server ends, or announces none in time; shows its output.
        """
        assert self._process.stdout is not None
        line = _read_line(self._process.stdout.fileno(), timeout_s)
        words = line.split()
        if len(words) == 5 and words[:2] == ["glowpy", self._role]:
            with self._lock:
                kept, self._kept = bytes(self._kept or b""), None
            _pass_on(kept)
            return parse_address(words[-1])
        try:
            status = self._process.wait(_DRAIN_S)
        except subprocess.TimeoutExpired:
            raise self._failed(f"it does not listen after {timeout_s:g} s", line) from None
        how = f"exit status {status}" if status >= 0 else f"{signal_name(-status) or -status}"
        raise self._failed(f"it ended with {how}", line)

    def close(self, deadline: float) -> None:
        """Tell the server to end, and kill it at the deadline."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_DRAIN_S)  # a process of its own may hold the pipe open
        if not self._reader.is_alive():
            assert self._process.stderr is not None
            self._process.stderr.close()

    def _failed(self, why: str, line: str = "") -> ClusterError:
        text = f"the {self._role} of the driver's own cluster did not start: {why}"
        if hasattr(self, "_reader"):
            self._reader.join(_DRAIN_S)
        with self._lock:
            wrote = f"{line}\n{(self._kept or b'').decode(errors='replace')}".strip()
        wrote = f"; it wrote:\n{wrote}" if wrote else ", and wrote nothing"
        return ClusterError(
            f"{text}{wrote}\n(-glow.leader names a cluster that runs already; without -glow the "
            "flow runs on the cores of this host)"
        )

    def _read_errors(self) -> None:
        while data := os.read(self._stderr, 1 << 16):
            with self._lock:
                if self._kept is not None:
                    self._kept = (self._kept + data)[-_MOST_BYTES:]
                    continue
            _pass_on(data)


def _pass_on(data: bytes) -> None:
    if data:
        notify_user(data.decode(errors="replace").rstrip("\n"))


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
