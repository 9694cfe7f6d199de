"""The programs stored by an agent: contents by hash, and a separate layout for each run.

    CACHE/files/<sha256>            contents, read-only; renamed into place when complete
    LAYOUTS/<one of a run>/
        code/<digest>/r0/x.py …     modules as tasks import them, one directory for each root
        payload                     a pickled flow
        recorded/1                  results of earlier runs
        related/…                   related files (-glow.related.files)

Tasks can write to all of these, since they run as the agent's user. So no run uses another run's
layout, its `__pycache__` included, and each layout verifies the hash of every content. Code is
copied, so that a script that overwrites its own files changes no content; the other contents, which
may be large, are linked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
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

_READ_BYTES = 1024 * 1024

Places: TypeAlias = Mapping[str, str]  # SHA-256 by place below a directory
Bring: TypeAlias = Callable[[str, Path], None]


@dataclass(frozen=True, slots=True)
class ProgramDirectory:
    """A program laid out for the tasks of one run.

    Attributes:
        code: the directory of the roots, below `path`.
        roots: for the import path of tasks, in this order.
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
    """Contents below one directory, and layouts below another; caches may share both.

    Raises:
        ConfigError: the name of `layouts` cannot stand in a PYTHONPATH.
    """

    def __init__(self, directory: Path, layouts: Path) -> None:
        if os.pathsep in str(layouts):
            raise ConfigError(
                f"the directory {layouts} has a {os.pathsep!r} in its name, by which Python "
                "would take it for two; name another by --dir"
            )
        self._files = directory.absolute() / "files"
        self._layouts = layouts.absolute()

    def missing(self, manifest: Manifest) -> list[str]:
        """Return the SHA-256 of each content still to be fetched."""
        contents = manifest.contents.items()
        return [sha256 for sha256, size in contents if _size(self._files / sha256) != size]

    def begin(self, sha256: str, size_bytes: int) -> Incoming:
        """Open one content for a transfer in parts.

        Raises:
            ProtocolError: `sha256` is malformed.
            ProgramError: this host cannot store the content.
        """
        if not is_sha256(sha256):
            raise ProtocolError(f"{sha256!r:.100} is not a SHA-256 in hex")
        return Incoming(self._files / sha256, size_bytes)

    def add(self, sha256: str, size_bytes: int, chunks: Iterable[bytes]) -> None:
        """Store one content from available parts.

        Raises:
            ProgramError: the SHA-256 or size differs, or the disk fails; the file is removed.
        """
        with self.begin(sha256, size_bytes) as incoming:
            for chunk in chunks:
                incoming.write(chunk)
            incoming.commit()

    def materialise(self, manifest: Manifest) -> ProgramDirectory:
        """Lay a program out for one run.

        Raises:
            ProgramError: a content is missing or was changed, or this host cannot store it. A
                changed content is removed, so that `missing` names it.
        """
        try:
            self._layouts.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = Path(tempfile.mkdtemp(prefix="run-", dir=self._layouts))
            code = path / "code" / manifest.code_digest
            try:
                self._lay_out(code, _code_places(manifest), self._copy)
                self._lay_out(path, _other_places(manifest), self._link)
                for related in manifest.related:
                    if related.is_executable:  # under every name: the names share one file
                        (path / RELATED / related.path).chmod(0o500)
            except BaseException:
                shutil.rmtree(path, ignore_errors=True)
                raise
        except OSError as exc:
            raise ProgramError(f"this agent cannot store the program: {exc}") from exc
        for sha256 in manifest.contents:
            mark_used(self._files / sha256)
        roots = sorted({entry.root for entry in manifest.files})
        return ProgramDirectory(path, code, tuple(code / f"r{root}" for root in roots))

    def trim(self, most_bytes: int, most_age_s: float) -> int:
        """Remove old or excess contents, and return their number.

        Layouts keep linked contents. No content may be in transfer meanwhile.
        """
        return len(trim(self._files, most_bytes, most_age_s))

    def _lay_out(self, path: Path, places: Places, bring: Bring) -> None:
        for directory in sorted(_directories(places)):  # sorted: parents first
            (path / directory).mkdir(mode=0o700, parents=True)
        for place, sha256 in places.items():
            bring(sha256, path / place)

    def _copy(self, sha256: str, target: Path) -> None:
        with target.open("xb") as copy:
            for chunk in self._checked(sha256):
                copy.write(chunk)
        target.chmod(0o400)

    def _link(self, sha256: str, target: Path) -> None:
        for _chunk in self._checked(sha256):
            continue
        os.link(self._files / sha256, target)

    def _checked(self, sha256: str) -> Iterator[bytes]:
        """Yield a content in parts.

        Raises:
            ProgramError: the content is missing, or its hash, known only at the end, differs.
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
                f"the content {sha256} was changed in this agent's cache; it is removed, and "
                "is fetched again"
            )


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


def _size(path: Path) -> int:
    """Return the size of a file in bytes; -1 if unreadable."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
