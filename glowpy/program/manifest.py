"""The list of a program's parts, as sent to agents.

The JSON has a canonical form (sorted, no blanks, ASCII), so that its SHA-256 names the program:

    {"files":[[root,path,sha256,size],…],"payload":null|[sha256,size],
     "recorded":[[run,sha256,size],…],"related":[[path,sha256,size,executable],…]}

A root stands for one entry of the driver's `sys.path`, in the same order; paths are relative to
their root.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from glowpy.errors import ProgramError, ProtocolError
from glowpy.resources import MEGABYTE

MAX_ROOTS = 64
MAX_FILES = 100_000
MAX_PROGRAM_BYTES = 1024 * MEGABYTE
MAX_RECORDED_BYTES = 64 * MEGABYTE
MAX_JSON_CHARACTERS = 16 * MEGABYTE
MAX_JSON_VALUES = 1_000_000  # those of a list of MAX_FILES, and the words of a command line
MAX_PATH_BYTES = 1024
MAX_DEPTH = 64  # folders of a path
MAX_NAME_BYTES = 255  # limit of Linux file systems
MAX_RUNS = 2**31 - 1


@dataclass(frozen=True, slots=True, order=True)
class ShippedFile:
    """One file, with its path below one of the program's roots."""

    root: int
    path: str  # relative, with slashes
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, order=True)
class Recorded:
    """The result of an earlier run of the script, as recorded by the driver."""

    run_number: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, order=True)
class Related:
    """A file shipped beside the code (`-glow.related.files`), under its own name."""

    path: str  # relative, with slashes
    sha256: str
    size_bytes: int
    is_executable: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of a pickled flow, for programs without a script."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of a program, each list sorted. Construction checks names and sizes.

    Raises:
        ProgramError: a path leads outside its root, or names, order, sizes or limits are wrong.
    """

    files: tuple[ShippedFile, ...]
    recorded: tuple[Recorded, ...] = ()
    payload: Payload | None = None
    related: tuple[Related, ...] = ()

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault:
            raise ProgramError(f"this program cannot be shipped: {fault}")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form in hex: the program's name in every cache."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    @property
    def code_digest(self) -> str:
        """The digest of the files alone, shared by programs with the same code."""
        return Manifest(files=self.files).digest

    @property
    def contents(self) -> dict[str, int]:
        """Size in bytes, by SHA-256, of all contents that an agent needs."""
        return {part.sha256: part.size_bytes for part in _parts(self)}

    def with_recorded(self, results: Mapping[int, bytes]) -> Manifest:
        """Return the program with these results of earlier runs, by run number.

        Raises:
            ProgramError: the results exceed 64 MB.
        """
        total = sum(map(len, results.values()))
        if total > MAX_RECORDED_BYTES:
            raise too_much_recorded(f"{-(-total // MEGABYTE)} MB")
        recorded = [Recorded(run, sha256_of(data), len(data)) for run, data in results.items()]
        return replace(self, recorded=tuple(sorted(recorded)))

    def to_json(self) -> str:
        payload = self.payload
        return canonical_json(
            {
                "files": [[f.root, f.path, f.sha256, f.size_bytes] for f in self.files],
                "payload": [payload.sha256, payload.size_bytes] if payload else None,
                "recorded": [[r.run_number, r.sha256, r.size_bytes] for r in self.recorded],
                "related": [
                    [r.path, r.sha256, r.size_bytes, r.is_executable] for r in self.related
                ],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Return the manifest from a JSON text of the network.

        Raises:
            ProtocolError: no peer of this release would send the text.
        """
        return manifest_of(decoded_json(text))


def too_much_recorded(size: str) -> ProgramError:
    """Return the error for results of earlier runs of this size."""
    return ProgramError(
        f"results of earlier runs in this script are {size}, and a task needs them to re-run the "
        f"script; the bound is {MAX_RECORDED_BYTES // MEGABYTE} MB; keep big results in files, or "
        "end the part that tasks share with glowpy.ready()"
    )


def canonical_json(value: Any) -> str:
    """Return the JSON text of a value: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def decoded_json(text: str) -> Any:
    """Return the value of a JSON text from the network.

    Raises:
        ProtocolError: the text is not JSON, or too long.
    """
    if len(text) > MAX_JSON_CHARACTERS:
        raise ProtocolError(f"a program's description has {len(text)} characters, too many")
    if sum(map(text.count, ",[{")) > MAX_JSON_VALUES:
        raise ProtocolError(f"a program's description has more than {MAX_JSON_VALUES} values")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError(f"a program's description is not JSON: {exc}") from exc


def members(value: Any, names: tuple[str, ...], what: str) -> list[Any]:
    """Return the members of an object with exactly these names.

    Raises:
        ProtocolError: the value is not an object, or has other members.
    """
    if type(value) is not dict or value.keys() != set(names):
        raise ProtocolError(f"{what} is not an object of {', '.join(names)}")
    return [value[name] for name in names]


def manifest_of(value: Any) -> Manifest:
    """Return the manifest described by a decoded JSON value.

    Raises:
        ProtocolError: the value does not describe a manifest.
    """
    names = ("files", "payload", "recorded", "related")
    files, payload, recorded, related = members(value, names, "a manifest")
    try:
        return Manifest(
            files=tuple(ShippedFile(*row) for row in _rows(files, (int, str, str, int))),
            recorded=tuple(Recorded(*row) for row in _rows(recorded, (int, str, int))),
            payload=None if payload is None else Payload(*_row(payload, (str, int))),
            related=tuple(Related(*row) for row in _rows(related, (str, str, int, bool))),
        )
    except ProgramError as exc:
        raise ProtocolError(f"a peer sent a bad manifest: {exc}") from exc


def _rows(value: Any, types: tuple[type, ...]) -> list[list[Any]]:
    if type(value) is not list or len(value) > MAX_FILES:
        raise ProtocolError("a manifest holds no list, or one that is too long")
    return [_row(row, types) for row in value]


def _row(value: Any, types: tuple[type, ...]) -> list[Any]:
    if type(value) is not list or tuple(map(type, value)) != types:
        shown = ", ".join(each.__name__ for each in types)
        raise ProtocolError(f"a manifest's entry is not a list of {shown}: {value!r:.100}")
    return value


def _parts(manifest: Manifest) -> Iterable[ShippedFile | Related | Recorded | Payload]:
    yield from manifest.files
    yield from manifest.related
    yield from manifest.recorded
    if manifest.payload is not None:
        yield manifest.payload


def _fault(manifest: Manifest) -> str:
    """Return the first fault of a manifest; empty if it has none."""
    count = len(manifest.files) + len(manifest.related)
    if count > MAX_FILES:
        return f"{count} files; the bound is {MAX_FILES}"
    for file in manifest.files:
        if not 0 <= file.root < MAX_ROOTS:
            return f"root {file.root} of {file.path!r:.100} is outside 0..{MAX_ROOTS - 1}"
    paths = [file.path for file in manifest.files] + [file.path for file in manifest.related]
    for path in paths:
        fault = path_fault(path)
        if fault:
            return f"path {path!r:.100} {fault}"
    for run in manifest.recorded:
        if not 0 < run.run_number <= MAX_RUNS:
            return f"run number {run.run_number} is outside 1..{MAX_RUNS}"
    return (
        _content_fault(manifest)
        or _order_fault([(entry.root, entry.path) for entry in manifest.files])
        or _order_fault([(entry.path,) for entry in manifest.related])
        or _order_fault([(run.run_number,) for run in manifest.recorded])
        or _nesting_fault({(entry.root, entry.path) for entry in manifest.files})
        or _nesting_fault({(0, entry.path) for entry in manifest.related})
    )


def path_fault(path: str) -> str:
    """Return the reason that a text is not a relative file path; empty if it is.

    No file is accessed.
    """
    if "\0" in path or "\\" in path:
        return "holds a NUL or a backslash"
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        return "cannot be the name of a file"
    parts = encoded.split(b"/")
    if any(part in (b"", b".", b"..") for part in parts):
        return "is not a plain relative path"
    if len(encoded) > MAX_PATH_BYTES or any(len(part) > MAX_NAME_BYTES for part in parts):
        return "is too long"
    if len(parts) > MAX_DEPTH:
        return f"is more than {MAX_DEPTH} folders deep"
    return ""


def _content_fault(manifest: Manifest) -> str:
    sizes: dict[str, int] = {}
    for part in _parts(manifest):
        if not is_sha256(part.sha256):
            return f"{part.sha256!r:.100} is not a SHA-256 in hex"
        if part.size_bytes < 0 or sizes.setdefault(part.sha256, part.size_bytes) != part.size_bytes:
            return f"{part.sha256} has size {part.size_bytes}"
    total = sum(entry.size_bytes for entry in manifest.files)
    total += sum(entry.size_bytes for entry in manifest.related)
    total += manifest.payload.size_bytes if manifest.payload else 0
    if total > MAX_PROGRAM_BYTES:
        bound = MAX_PROGRAM_BYTES // MEGABYTE
        return f"its files are {total // MEGABYTE} MB in all; the bound is {bound} MB"
    total = sum(run.size_bytes for run in manifest.recorded)
    if total > MAX_RECORDED_BYTES:
        bound = MAX_RECORDED_BYTES // MEGABYTE
        return f"its recorded results are {total // MEGABYTE} MB; the bound is {bound} MB"
    return ""


def is_sha256(text: str) -> bool:
    """Return True for 64 lowercase hexadecimal digits."""
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _order_fault(places: list[tuple[Any, ...]]) -> str:
    for before, after in pairwise(places):
        if before >= after:
            return f"{after!r:.100} is repeated, or out of order"
    return ""


def _nesting_fault(places: set[tuple[int, str]]) -> str:
    for root, path in sorted(places):
        while (cut := path.rfind("/")) > 0:
            path = path[:cut]
            if (root, path) in places:
                return f"{path!r:.100} is both a file and a directory"
    return ""
