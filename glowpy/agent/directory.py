"""An agent's own directory: private, marked, locked, and the only one that an agent deletes from.

Its programs run as the agent's user, so no other user may be able to write or replace them.

    DIR/.glowpy-agent    the mark: an agent made this directory
    DIR/lock             held by the living agent; contains that agent's process id
    DIR/cache/           contents of programs, by hash
    DIR/programs/        the program of each current run, as used by its tasks
    DIR/runs/            shards and logs of the current runs
    DIR/channels/        rows received from `glowpy send`
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType

from glowpy.errors import ConfigError
from glowpy.private_folder import check_private_folder

_MARK = ".glowpy-agent"


class AgentDirectory:
    """The directory of one living agent. A context manager: entering locks and clears it.

    Raises (when entered):
        ConfigError: the directory cannot be written, another agent holds the lock, no agent made
            the directory, or another user owns it or can write to it.
    """

    def __init__(self, path: str, *, clean_restart: bool) -> None:
        self.path = Path(os.path.realpath(path))  # another user may change links later
        self.cache = self.path / "cache"
        self.programs = self.path / "programs"
        self.runs = self.path / "runs"
        self.channels = self.path / "channels"
        self._clean_restart = clean_restart
        self._lock = -1

    def __enter__(self) -> AgentDirectory:
        try:
            self._mark()
            self._lock = self._take_lock()
            self._clear()
            if self._clean_restart:
                shutil.rmtree(self.cache, ignore_errors=True)
            for folder in self._of_runs():
                folder.mkdir(mode=0o700)
            self.cache.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            self._unlock()
            is_other = self.path.exists() and not self.path.is_dir()
            reason = "it is not a directory" if is_other else exc.strerror
            raise ConfigError(
                f"cannot use directory {self.path}: {reason}; name another by --dir"
            ) from exc
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clear()
        self._unlock()

    def _of_runs(self) -> tuple[Path, ...]:
        return self.programs, self.runs, self.channels

    def _clear(self) -> None:
        for folder in self._of_runs():
            shutil.rmtree(folder, ignore_errors=True)

    def _mark(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private_folder(
            str(self.path),
            "the programs and rows of an agent",
            "name a folder that does not exist yet, in one of yours, by --dir",
        )
        mark = self.path / _MARK
        if not mark.exists():
            if any(self.path.iterdir()):
                raise ConfigError(
                    f"directory {self.path} is not empty and no agent made it; an agent deletes "
                    "what it finds in its directory: name an empty one or one that does not exist"
                )
            mark.touch(mode=0o600)

    def _take_lock(self) -> int:
        path = self.path / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise ConfigError(
                f"directory {self.path} is in use by the agent with process id {holder}; "
                "give each agent a --port of its own, or a --dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
