"""Files shipped beside the code: `-glow.related.files`. (Go: driver/rsync/http_server.go)

The name of a file is its path as written, if the path stays inside the working directory, else its
last component. A folder stands for all files in it. In a task, all files are below one folder of
the program, under these names.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from glowpy.environment import PROGRAM_VARIABLE
from glowpy.errors import ConfigError, ProgramError, reason_of
from glowpy.paths import expand_path, split_paths
from glowpy.program.manifest import Related
from glowpy.program.program import Sources

RELATED = "related"  # the folder in a task

_READ_BYTES = 1 << 20
_known: dict[str, tuple[tuple[int, ...], str]] = {}  # stamp and SHA-256 by path


def related_name(given: str) -> str:
    """Return the name, below the folder of related files, of a file with this path."""
    name = os.path.normpath(_local(given))
    is_inside = not os.path.isabs(name) and name.split(os.sep)[0] != os.pardir
    return name if is_inside else os.path.basename(name)


def find_related(flag: str) -> tuple[tuple[Related, ...], Sources]:
    """Return all files named by the flag's value, in order of their names.

    Raises:
        ProgramError: a file cannot be read, or two files have one name.
    """
    found: dict[str, tuple[str, Related]] = {}
    for given in dict.fromkeys(split_paths(flag)):
        name = related_name(given)
        if name in ("", os.pardir):
            raise _refused(given, "it has no name of its own; name what is in it")
        for path, local in _files(given, "" if name == os.curdir else name):
            related = _related(path, local)
            first, _ = found.setdefault(path, (local, related))
            if not os.path.samefile(first, local):
                raise _refused(given, f"{first} would be called {path}, too; rename one of them")
    sources: Sources = {related.sha256: Path(local) for local, related in found.values()}
    return tuple(sorted(related for _local, related in found.values())), sources


def local_path(name: str, flag: str | None) -> str:
    """Return the absolute path of a file in the user's own process.

    Args:
        flag: the value of -glow.related.files; None if no file needs to be shipped.

    Raises:
        ConfigError: the file is not shipped, so tasks would lack it.
    """
    path = os.path.abspath(_local(name))
    roots = None if flag is None else [os.path.abspath(_local(each)) for each in split_paths(flag)]
    if roots is not None and not any(Path(path).is_relative_to(root) for root in roots):
        raise _not_along(name)
    return path


def path_in_task(name: str) -> str:
    """Return the path of the agent's copy of a file, in a task.

    Raises:
        ConfigError: the file was not shipped.
    """
    path = os.path.join(os.environ.get(PROGRAM_VARIABLE, ""), RELATED, related_name(name))
    if not os.path.lexists(path):
        raise _not_along(name)
    return path


def _not_along(name: str) -> ConfigError:
    return ConfigError(
        f"related_file({name!r}): this file is not sent to the agents; "
        f"start the script with -glow.related.files={name}"
    )


def _files(given: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield name and absolute path of each file that `given` stands for."""
    try:
        absolute = os.path.abspath(_local(given))
    except FileNotFoundError as exc:
        raise _refused(given, "the working directory has been removed") from exc
    if not os.path.isdir(absolute):
        yield name, absolute
        return
    for folder, _folders, names in os.walk(absolute, onerror=_raise):
        below = os.path.relpath(folder, absolute)
        for each in names:
            yield os.path.normpath(os.path.join(name, below, each)), os.path.join(folder, each)


def _local(given: str) -> str:
    try:
        return expand_path(given)
    except ValueError as exc:
        raise _refused(given, str(exc)) from exc


def _raise(error: OSError) -> None:
    raise _refused(error.filename, reason_of(error)) from error


def _related(path: str, local: str) -> Related:
    try:
        status = os.stat(local)
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block
            raise _refused(local, "it is neither a file nor a folder")
        sha256 = _sha256(local, status)
    except OSError as exc:
        raise _refused(local, reason_of(exc)) from exc
    return Related(
        path=path,
        sha256=sha256,
        size_bytes=status.st_size,
        is_executable=bool(status.st_mode & stat.S_IXUSR),
    )


def content_of(local: str) -> tuple[str, int]:
    """Return SHA-256 and size in bytes of a file. Raises: ProgramError: the file cannot be read."""
    try:
        status = os.stat(local)
        return _sha256(local, status), status.st_size
    except OSError as exc:
        raise ProgramError(f"agents need {local}, but it cannot be read: {reason_of(exc)}") from exc


def _sha256(local: str, status: os.stat_result) -> str:
    stamp = status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev
    known, sha256 = _known.get(local, ((), ""))
    if known != stamp:
        digest = hashlib.sha256()
        with open(local, "rb") as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
        sha256 = digest.hexdigest()
        _known[local] = stamp, sha256
    return sha256


def _refused(path: str, reason: str) -> ProgramError:
    return ProgramError(f"-glow.related.files: {path} cannot be sent to the agents: {reason}")
