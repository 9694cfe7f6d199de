"""The file written by `save_*_to_file`: complete or absent, never partial.

a regular file, or none yet      a temporary file beside it, renamed at the end
a pipe, a terminal, /dev/null    a temporary file elsewhere, copied at the end
/dev/stdout, /dev/fd/N           the same, copied to the descriptor of this process
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from glowpy.driver.stopping import at_risk
from glowpy.errors import OutputError, reason_of
from glowpy.links import resolve_links
from glowpy.paths import expand_path
from glowpy.stdio import flush

_MOST_LINKS = 40  # same as Linux
_DESCRIPTORS = "/proc/self/fd"


class OutputFile:
    """Opens a temporary file, `file`, until `commit` or `discard` is called.

    The constructor opens a pipe, and blocks until a reader appears, as `open()` does.

    Raises:
        OutputError: the path cannot be written.
    """

    def __init__(self, path: str) -> None:
        from tempfile import mkstemp  # not needed by other runs, and slow

        self.path = path
        self._target: BinaryIO | None = None  # a pipe or device, which rename cannot replace
        with self.writing():
            self.path = expand_path(path)
            directory = self._find_target()
            name = os.path.basename(self.path)
            # the path's own name may have the maximum length
            descriptor, self._temporary = mkstemp(prefix=f".{name[:40]}.", dir=directory)
            at_risk.add(self._temporary)
        self.file: BinaryIO = os.fdopen(descriptor, "w+b")

    def commit(self) -> None:
        """Move or copy the temporary file to the path.

        The new file keeps the permissions of a replaced file, and its owner and group where
        allowed.
        """
        with self.writing():
            if self._target is None:
                self.file.close()
                self._set_permissions()
                os.replace(self._temporary, self.path)
            else:
                self.file.seek(0)
                flush()  # earlier prints come first on standard output
                with self._target:
                    shutil.copyfileobj(self.file, self._target)
                self.file.close()
                os.unlink(self._temporary)
        at_risk.discard(self._temporary)

    def discard(self) -> None:
        """Remove the temporary file and leave the path unchanged."""
        for file in (self.file, self._target):
            if file is not None:
                with suppress(OSError):  # closing flushes buffers, and the disk may be full
                    file.close()
        if os.path.exists(self._temporary):
            os.unlink(self._temporary)
        at_risk.discard(self._temporary)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Translate system errors into an OutputError that names the file."""
        try:
            yield
        except (OSError, ValueError) as exc:  # ValueError: no file can have such a name
            raise OutputError(f"cannot write {self.path}: {reason_of(exc)}") from exc

    def _find_target(self) -> str | None:
        """Return the folder for the temporary file (None: the system's); open a pipe or device."""
        number = _descriptor_of(self.path)
        if number is not None:
            self._target = os.fdopen(os.dup(number), "wb")
            return None
        self.path = resolve_links(self.path)  # a symbolic link stays a link
        with suppress(FileNotFoundError):
            mode = os.stat(self.path).st_mode
            if stat.S_ISDIR(mode):
                raise OutputError(f"cannot write {self.path}: it is a directory")
            if not stat.S_ISREG(mode):
                self._target = open(self.path, "wb")  # noqa: SIM115  # commit() closes it
                return None
            if not os.access(self.path, os.W_OK):
                raise OutputError(f"cannot write {self.path}: Permission denied")
        return os.path.dirname(self.path)

    def _set_permissions(self) -> None:
        try:
            older = os.stat(self.path)
        except FileNotFoundError:
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(self._temporary, 0o666 & ~umask)
            return
        for owner in (older.st_uid, -1):  # only root may give files to other users
            with suppress(PermissionError):
                os.chown(self._temporary, owner, older.st_gid)
                break
        os.chmod(self._temporary, stat.S_IMODE(older.st_mode) & 0o777)


def _descriptor_of(path: str) -> int | None:
    """Return the descriptor of this process named by a path such as /dev/stdout."""
    own = os.path.realpath(_DESCRIPTORS)
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(os.path.abspath(path))
        if os.path.realpath(folder) == own and name.isdecimal():
            return int(name)
        if not os.path.islink(path):
            break
        path = os.path.join(folder, os.readlink(path))
    return None
