"""One content of a program on its way into an agent's cache."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn

from glowpy.errors import ProgramError


class Incoming:
    """One content on its way in: written aside, checked, then named. Leaving it discards it."""

    def __init__(self, target: Path, size_bytes: int) -> None:
        self._target = target
        self._size_bytes = size_bytes
        self._digest = hashlib.sha256()
        self.received_bytes = 0
        self._file: IO[bytes] | None = None

    @property
    def is_whole(self) -> bool:
        """True when there is nothing more to wait for: commit it."""
        return self.received_bytes == self._size_bytes

    def write(self, chunk: bytes) -> None:
        """The next bytes of the content.

        Raises:
            ProgramError: they are more than announced, or cannot be stored; nothing is left.
        """
        self.received_bytes += len(chunk)
        if self.received_bytes > self._size_bytes:
            self._refuse(f"has more than its {self._size_bytes} bytes")
        self._digest.update(chunk)
        try:
            self._opened().write(chunk)
        except OSError as exc:
            self._refuse(f"cannot be stored at {self._target.parent}: {exc.strerror}", exc)

    def commit(self) -> None:
        """Check the content and give it its name.

        Raises:
            ProgramError: it has another SHA-256 or size, or cannot be stored; nothing is left.
        """
        if not self.is_whole:
            self._refuse(f"has {self.received_bytes} of {self._size_bytes} bytes")
        if self._digest.hexdigest() != self._target.name:
            self._refuse(
                f"came with SHA-256 {self._digest.hexdigest()}: the driver's file has changed "
                "since the run began; start the script again"
            )
        try:
            file = self._opened()
            os.fchmod(file.fileno(), 0o400)
            file.close()
            os.replace(file.name, self._target)  # no fsync: who reads it checks it again
        except OSError as exc:
            self._refuse(f"cannot be stored at {self._target.parent}: {exc.strerror}", exc)
        self._file = None

    def discard(self) -> None:
        """Leave nothing of a content that was not committed."""
        if self._file is not None:
            with suppress(OSError):  # the disk may be full; what counts is that the file goes
                self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
            self._file = None

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, path = tempfile.mkstemp(prefix="new-", dir=self._target.parent)
            os.close(descriptor)
            self._file = open(path, "wb")  # noqa: SIM115  # closed by commit or discard
        return self._file

    def _refuse(self, fault: str, cause: OSError | None = None) -> NoReturn:
        self.discard()
        raise ProgramError(f"the program's file {self._target.name} {fault}") from cause
