"""The programs that an agent has, by content: what is here once is never fetched again.

    files/<sha256>                  contents, read-only; a new one gets its name when it is whole
    code/<digest>/r0/x.py …         modules as tasks import them, one directory for each root
    programs/<digest>/payload       a pickled flow
    programs/<digest>/recorded/1    results of earlier runs
    programs/<digest>/related/…     files that go along (-glow.related.files)

Programs of the same code share it: the next run of a script, or the next flow of a notebook, has
other results or another payload, but the same modules. Code is copied, checked once more, never
linked: it may write to its own files, and that must not reach the next program. Copying three small
files takes less than a millisecond. The rest, which may be large and is only read, is links into
files/; one that was written to all the same is found out when a program is next laid out with it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from glowpy.agent.cache_bounds import mark_used, trim
from glowpy.agent.incoming import Incoming
from glowpy.errors import ConfigError, ProgramError, ProtocolError
from glowpy.program.manifest import Manifest, is_sha256
from glowpy.program.related import RELATED

PAYLOAD = "payload"
RECORDED = "recorded"

_COPIED_NS = 1_000_000_000 * 10**9  # the time of every copy, so that a later change shows
_READ_BYTES = 1024 * 1024

Places: TypeAlias = Mapping[str, str]  # SHA-256 by place below a directory
Sizes: TypeAlias = Mapping[str, int]  # by SHA-256
Bring: TypeAlias = Callable[[str, Path], None]


@dataclass(frozen=True, slots=True)
class ProgramDirectory:
    """A program laid out for its tasks.

    Attributes:
        path: of what is not code; it exists if there is any.
        code: the directory of the roots.
        roots: they go on the path of tasks, in this order.
    """

    path: Path
    code: Path
    roots: tuple[Path, ...]

    @property
    def payload(self) -> Path:
        return self.path / PAYLOAD

    @property
    def related(self) -> Path:
        return self.path / RELATED


class ProgramCache:
    """The contents and programs below one directory. Several may share it.

    Raises:
        ConfigError: the directory's name cannot stand in a PYTHONPATH.
    """

    def __init__(self, directory: Path) -> None:
        if os.pathsep in str(directory):
            raise ConfigError(
                f"the directory {directory} has a {os.pathsep!r} in its name, by which Python "
                "would take it for two; name another by --dir"
            )
        self._files = directory.absolute() / "files"
        self._code = directory.absolute() / "code"
        self._programs = directory.absolute() / "programs"

    def missing(self, manifest: Manifest) -> list[str]:
        """SHA-256 of each content that is still to be fetched."""
        contents = manifest.contents.items()
        return [sha256 for sha256, size in contents if _size(self._files / sha256) != size]

    def begin(self, sha256: str, size_bytes: int) -> Incoming:
        """Take in one content, part by part.

        Raises:
            ProtocolError: that is no SHA-256.
            ProgramError: this host cannot store it.
        """
        if not is_sha256(sha256):
            raise ProtocolError(f"{sha256!r:.200} is not a SHA-256 in hex")
        return Incoming(self._files / sha256, size_bytes)

    def add(self, sha256: str, size_bytes: int, chunks: Iterable[bytes]) -> None:
        """Take in one content whose parts are at hand.

        Raises:
            ProgramError: it has another SHA-256 or size, or cannot be stored; nothing is left.
        """
        with self.begin(sha256, size_bytes) as incoming:
            for chunk in chunks:
                incoming.write(chunk)
            incoming.commit()

    def materialise(self, manifest: Manifest) -> ProgramDirectory:
        """Lay a program out, or find it laid out and unharmed.

        Raises:
            ProgramError: a content is missing or was changed, or this host cannot store it.
        """
        path = self._programs / manifest.digest
        code = self._code / manifest.code_digest
        sizes = manifest.contents
        try:
            self._ensure(code, _code_places(manifest), sizes, self._copy)
            self._ensure(path, _other_places(manifest), sizes, self._link)
            for related in manifest.related:
                if related.is_executable:  # by any name, then: they are one file
                    (path / RELATED / related.path).chmod(0o500)
        except OSError as exc:
            raise ProgramError(f"this agent cannot store the program: {exc}") from exc
        for used in (code, path, *(self._files / sha256 for sha256 in sizes)):
            mark_used(used)
        roots = sorted({entry.root for entry in manifest.files})
        return ProgramDirectory(path, code, tuple(code / f"r{root}" for root in roots))

    def trim(self, used: Iterable[ProgramDirectory], most_bytes: int, most_age_s: float) -> int:
        """Forget what is too old, or too much, of what nobody uses; how many things have gone.

        Nothing may be on its way in meanwhile.
        """
        kept = {path for directory in used for path in (directory.path, directory.code)}
        places = (self._programs, self._code, self._files)
        return len(trim(places, kept, most_bytes, most_age_s))

    def _ensure(self, path: Path, places: Places, sizes: Sizes, bring: Bring) -> None:
        """Have these contents at these places below a directory, unless they are there unharmed."""
        if not places or _is_unharmed(path, places, sizes):
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=path.parent))
        try:
            for directory in sorted(_directories(places)):  # sorted: each after the one it is in
                (new / directory).mkdir(mode=0o700)
            for place, sha256 in places.items():
                bring(sha256, new / place)
            _put(new, path, places, sizes)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _copy(self, sha256: str, target: Path) -> None:
        with target.open("xb") as copy:
            for chunk in self._checked(sha256):
                copy.write(chunk)
        target.chmod(0o400)
        os.utime(target, ns=(_COPIED_NS, _COPIED_NS))

    def _link(self, sha256: str, target: Path) -> None:
        for _chunk in self._checked(sha256):
            continue
        os.link(self._files / sha256, target)
        os.utime(target, ns=(_COPIED_NS, _COPIED_NS))

    def _checked(self, sha256: str) -> Iterator[bytes]:
        """A content, part by part.

        Raises:
            ProgramError: it is not here, or, at its end: somebody has changed it.
        """
        source = self._files / sha256
        digest = hashlib.sha256()
        try:
            with source.open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    digest.update(chunk)
                    yield chunk
        except FileNotFoundError as exc:
            raise ProgramError(f"the content {sha256} of the program is not here") from exc
        if digest.hexdigest() != sha256:
            source.unlink(missing_ok=True)
            raise ProgramError(
                f"the content {sha256} was changed in this agent's cache; it is removed, so that "
                "the next run fetches it again"
            )


def _put(new: Path, path: Path, places: Places, sizes: Sizes) -> None:
    """Give a new directory its name, unless somebody else has been faster."""
    while not _is_unharmed(path, places, sizes):
        old = tempfile.mkdtemp(prefix="old-", dir=path.parent)
        try:
            with suppress(FileNotFoundError):  # most often there is none to put away
                path.rename(old)
            new.rename(path)
            return
        except OSError as exc:
            if exc.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)


def _code_places(manifest: Manifest) -> Places:
    return {f"r{entry.root}/{entry.path}": entry.sha256 for entry in manifest.files}


def _other_places(manifest: Manifest) -> Places:
    places = {f"{RELATED}/{related.path}": related.sha256 for related in manifest.related}
    for run in manifest.recorded:
        places[f"{RECORDED}/{run.run_number}"] = run.sha256
    if manifest.payload is not None:
        places[PAYLOAD] = manifest.payload.sha256
    return places


def _directories(places: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for place in places:
        while (place := os.path.dirname(place)) and place not in found:
            found.add(place)
    return found


def _is_unharmed(path: Path, places: Places, sizes: Sizes) -> bool:
    """Are these contents here, and has nobody written to them since?

    Other files may have come: compiled modules, and what a script puts beside itself.
    """
    try:
        for place, sha256 in places.items():
            status = os.lstat(path / place)
            if (status.st_size, status.st_mtime_ns) != (sizes[sha256], _COPIED_NS):
                return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _size(path: Path) -> int:
    """Size of a file in bytes, -1 if there is none that can be had."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
