"""How this process was started, and the program with which an agent can do the same.

python x.py, a console entry point     the file, from its own directory python directory
its __main__.py, as a file python -m pkg.mod                      the module, by name python -m
cProfile x.py                x.py, without the profiler (see `main_module`) python -c, stdin, REPL,
notebook       cannot be started again
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from glowpy.program.loaded_text import LoadedTexts
from glowpy.program.manifest import Manifest, Payload, ShippedFile, sha256_of
from glowpy.program.modules import LocalModules
from glowpy.program.package_data import package_data
from glowpy.program.program import Pickled, Script, Sources
from glowpy.program.related import content_of
from glowpy.program.source import read_source
from glowpy.record import NamedTuple


class ShippedScript(NamedTuple):
    """A script, the locations of its contents, and the local directory of each root by number."""

    script: Script
    sources: Sources
    roots: tuple[str, ...]
    data_left_out: tuple[str, ...] = ()  # packages with too many or too large data files


def script_program(main: ModuleType, argv: Sequence[str]) -> ShippedScript | None:
    """Return the script that runs as module `main` with the words `argv` after its name.

    Return None if the script cannot be launched again; the caller then ships a pickled flow.

    Raises:
        ProgramError: a file of the program cannot be read or shipped, or was edited after its
            import.
    """
    file = getattr(main, "__file__", None)
    if not isinstance(file, str) or file.startswith("<") or hasattr(sys, "ps1"):
        return None
    if os.path.exists(file) and not os.path.isfile(file):
        return None  # a pipe that has been read: `python <(generate)`
    spec = getattr(main, "__spec__", None)
    name = getattr(spec, "name", "__main__")  # the __main__.py of a directory has a spec too
    by_name = name != "__main__"
    # Python follows a link to the script for its path entry, and keeps the link's name.
    root = "" if by_name else os.path.dirname(os.path.realpath(file))
    modules = LocalModules(root)
    if by_name:
        modules.add_main(main)
    else:
        modules.add_script(os.path.abspath(file), os.path.basename(file))
    modules.add_loaded()
    modules.follow_imports()
    entry = name if by_name else f"r{modules.roots()[root]}/{os.path.basename(file)}"
    manifest, sources, left_out = _packed(modules, None, main)
    script = Script(tuple(argv), entry, manifest)
    return ShippedScript(
        script=script, sources=sources, roots=tuple(modules.roots()), data_left_out=left_out
    )


def pickled_program(payload: bytes) -> tuple[Pickled, Sources]:
    """Return a pickled flow, with the loaded local modules and their imports.

    Raises:
        ProgramError: a file of the program cannot be read or shipped, or was edited after its
            import.
    """
    modules = LocalModules()
    modules.add_loaded(skip_vanished=True)
    modules.follow_imports()
    manifest, sources, _left_out = _packed(modules, payload, sys.modules["__main__"])
    return Pickled(manifest), sources


def _packed(
    modules: LocalModules, payload: bytes | None, main: ModuleType
) -> tuple[Manifest, Sources, tuple[str, ...]]:
    texts = LoadedTexts(main)
    sources: Sources = {}
    files = []
    placed = modules.placed()
    for root, path, local in placed:
        source = read_source(local)
        texts.check(local, source)
        sources[source.sha256] = Path(local)
        files.append(
            ShippedFile(root=root, path=path, sha256=source.sha256, size_bytes=source.size_bytes)
        )
    data = package_data(placed)
    for root, path, local in data.files:
        sha256, size_bytes = content_of(local)
        sources[sha256] = Path(local)
        files.append(ShippedFile(root=root, path=path, sha256=sha256, size_bytes=size_bytes))
    files.sort()
    left_out = tuple(data.left_out)
    if payload is None:
        return Manifest(files=tuple(files)), sources, left_out
    described = Payload(sha256_of(payload), len(payload))
    sources[described.sha256] = payload
    return Manifest(files=tuple(files), payload=described), sources, left_out
