"""A program: the data an agent needs to start tasks. One of two kinds.

Script    the user's script with its imported modules; a task re-launches it, as in Glow Pickled   a
flow pickled by the driver, for flows without a script (pytest, REPL, notebook)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from glowpy.errors import ProgramError, ProtocolError
from glowpy.program.manifest import (
    Manifest,
    Related,
    canonical_json,
    decoded_json,
    manifest_of,
    members,
)

MAX_WORDS = 10_000
MAX_WORD_CHARACTERS = 128 * 1024  # limit of Linux for an argument

Sources = dict[str, Path | bytes]
"""A program's contents by SHA-256: the path of a file, or the bytes."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its arguments. `entry` is its path, `r0/x.py`, or the `pkg.mod` of `-m`.

    Raises:
        ProgramError: entry, arguments and manifest do not form a program.
    """

    argv: tuple[str, ...]  # without the script's name
    entry: str
    manifest: Manifest

    def __post_init__(self) -> None:
        if len(self.argv) > MAX_WORDS or any(not _is_word(word) for word in self.argv):
            raise ProgramError("the script's command line is too long, or holds a NUL")
        if self.manifest.payload is not None:
            raise ProgramError("a script has no payload")
        if self.is_module:
            if not _is_word(self.entry) or self.entry[:1] in ("", "-", "."):
                raise ProgramError(f"{self.entry!r:.100} is not the name of a module")
        elif self.entry not in {f"r{file.root}/{file.path}" for file in self.manifest.files}:
            raise ProgramError(f"the script {self.entry!r:.100} is not among its files")

    @property
    def is_module(self) -> bool:
        """True if the script was started by `python -m`."""
        return "/" not in self.entry

    def to_json(self) -> str:
        return _to_json("script", self.manifest, argv=list(self.argv), entry=self.entry)


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickled flow, the payload of its manifest, with the local modules that it may refer to.

    Raises:
        ProgramError: the manifest has no payload.
    """

    manifest: Manifest

    def __post_init__(self) -> None:
        if self.manifest.payload is None:
            raise ProgramError("a pickled flow has a payload, this one has none")

    def to_json(self) -> str:
        return _to_json("pickled", self.manifest)


Program = Script | Pickled
AnyProgram = TypeVar("AnyProgram", Script, Pickled)


def with_recorded(
    program: AnyProgram, results: Mapping[int, bytes]
) -> tuple[AnyProgram, dict[str, bytes]]:
    """Return the program with the results of earlier runs, and these results by SHA-256.

    Raises:
        ProgramError: the results exceed 64 MB.
    """
    manifest = program.manifest.with_recorded(results)
    contents = {run.sha256: results[run.run_number] for run in manifest.recorded}
    return replace(program, manifest=manifest), contents


def with_related(program: AnyProgram, related: tuple[Related, ...]) -> AnyProgram:
    """Return the program with these files beside its code.

    Raises:
        ProgramError: the files are too many or too large.
    """
    return replace(program, manifest=replace(program.manifest, related=related))


def program_from_json(text: str) -> Program:
    """Return the program from a JSON text of the network.

    Raises:
        ProtocolError: no peer of this release would send the text.
    """
    value = decoded_json(text)
    kind = value.get("kind") if type(value) is dict else None
    try:
        if kind == "pickled":
            _, manifest = members(value, ("kind", "manifest"), "a pickled program")
            return Pickled(manifest_of(manifest))
        if kind == "script":
            names = ("kind", "argv", "entry", "manifest")
            _, argv, entry, manifest = members(value, names, "a script")
            if type(argv) is not list or not all(type(word) is str for word in [*argv, entry]):
                raise ProtocolError("a script's words and entry are not text")
            return Script(tuple(argv), entry, manifest_of(manifest))
    except ProgramError as exc:
        raise ProtocolError(f"a peer sent a bad program: {exc}") from exc
    raise ProtocolError(f"a peer sent a program of kind {kind!r:.100}")


def _is_word(word: str) -> bool:
    """True if the text can be an argument of a process."""
    try:
        word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in word and len(word) <= MAX_WORD_CHARACTERS


def _to_json(kind: str, manifest: Manifest, **rest: object) -> str:
    # The manifest's canonical text is inserted unchanged, without decoding and encoding it again.
    head = canonical_json({"kind": kind, **rest})
    return f'{head[:-1]},"manifest":{manifest.to_json()}}}'
