"""One content of a program during its transfer into an agent's cache."""

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
    """One content in transfer: written to a temporary file, verified, then renamed into place.

    A context manager: leaving discards an uncommitted content.
    """

    def __init__(self, target: Path, size_bytes: int) -> None:
        self._target = target
        self._size_bytes = size_bytes
        self._digest = hashlib.sha256()
        self.received_bytes = 0
        self._file: IO[bytes] | None = None

    @property
    def is_whole(self) -> bool:
        """True once all bytes have arrived, so that `commit` may be called."""
        return self.received_bytes == self._size_bytes

    def write(self, chunk: bytes) -> None:
        """Append the next bytes of the content.

        Raises:
            ProgramError: more bytes than announced, or the disk fails; the file is removed.
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
        """Verify the content and rename its file into place.

        Raises:
            ProgramError: the SHA-256 or size differs, or the disk fails; the file is removed.
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
            os.replace(file.name, self._target)  # no fsync: readers verify the hash again
        except OSError as exc:
            self._refuse(f"cannot be stored at {self._target.parent}: {exc.strerror}", exc)
        self._file = None

    def discard(self) -> None:
        """Remove the file of an uncommitted content."""
        if self._file is not None:
            with suppress(OSError):  # the disk may be full; only the removal counts
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
