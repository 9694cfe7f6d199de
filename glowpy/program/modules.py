"""Which files of the user's are imported: modules that are loaded, and all that these may import.

A module is looked up as Python's path finder does, without running import hooks. Files of the
standard library, of site-packages and of glowpy itself are foreign: agents have their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES

from glowpy.errors import ProgramError
from glowpy.installed import GLOWPY, LIBRARY, is_in_package
from glowpy.program.source import Import, ModuleSource, read_source

_SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES)
_BY_NAME = ""  # the root of modules whose files lie elsewhere than their names say

Place = tuple[str, str]  # a root, and the path below it


@dataclass(frozen=True, slots=True)
class Found:
    """A module by its own name: its file ("" for a namespace), and where submodules may be."""

    name: str
    file: str
    search: tuple[str, ...] = ()  # empty unless it is a package


class LocalModules:
    """Collects local files, each at its place below the root that it was imported from."""

    def __init__(self, script_root: str = "") -> None:
        path = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]
        self._path = tuple(dict.fromkeys(path))
        self._script_root = script_root
        self._foreign = _foreign_prefixes()
        self._found: dict[str, Found | None] = {}
        self._shipped: set[Found] = set()
        self._files: dict[Place, str] = {}
        self._waiting: list[
            tuple[str, ModuleSource]
        ] = []  # a package, and a file whose imports follow

    def add_loaded(self, *, skip_vanished: bool = False) -> None:
        """Every module that is loaded now, all but the main one.

        A file may be gone since. A script that is launched again would miss it; a pickled flow
        hardly does, and a test session may well have loaded modules of a directory it removed.
        """
        for name, module in list(sys.modules.items()):
            found = None if name in ("__main__", "__mp_main__") else _loaded(module)
            if found is not None and not (skip_vanished and not os.path.exists(found.file)):
                self._ship(found)

    def add_main(self, main: object) -> None:
        """The module that `python -m` runs, which is loaded under another name."""
        found = _loaded(main)
        if found is not None:
            self._ship(found)

    def add_module(self, name: str) -> None:
        """A module by name, with the packages that it is in."""
        for end in [place for place, letter in enumerate(name) if letter == "."] + [len(name)]:
            found = self._find(name[:end])
            if found is None:
                return
            self._ship(found)

    def add_script(self, file: str, name: str) -> None:
        """The script itself: it is no module, and may have any name."""
        self._place((self._script_root, name), file, package="")

    def follow_imports(self) -> None:
        """All that the files so far may import, and what those may import in turn."""
        while self._waiting:
            package, source = self._waiting.pop()
            for statement in source.imports:
                base = _base(statement, package)
                if base is None or base.partition(".")[0] == "glowpy":
                    continue
                if base:
                    self.add_module(base)
                for name in statement.names:
                    self.add_module(f"{base}.{name}" if base else name)

    def roots(self) -> dict[str, int]:
        """The number of each root, in the order of Python's path."""
        paths: dict[str, list[str]] = {}
        for root, path in sorted(self._files):
            paths.setdefault(root, []).append(path)
        order = [root for root in self._path if root in paths]
        if self._script_root in paths and self._script_root not in order:
            order.insert(0, self._script_root)
        # Roots of import hooks have no order; what is in them gives one that is the same elsewhere.
        order += sorted(paths.keys() - set(order), key=lambda root: (paths[root], root))
        return {root: number for number, root in enumerate(order)}

    def placed(self) -> list[tuple[int, str, str]]:
        """Number of the root, path below it and local file of everything collected, in order."""
        numbers = self.roots()
        return sorted((numbers[root], path, file) for (root, path), file in self._files.items())

    def _is_local(self, path: str) -> bool:
        path += "/"
        return not is_in_package(path) and not path.startswith(self._foreign)

    def _find(self, name: str) -> Found | None:
        if name not in self._found:
            module = sys.modules.get(name)
            found = None if module is None else _loaded(module)
            self._found[name] = found or self._search(name)
        return self._found[name]

    def _search(self, name: str) -> Found | None:
        """Look for a module that is not loaded, in the order in which Python would."""
        parent, _, tail = name.rpartition(".")
        if parent:
            package = self._find(parent)
            directories = package.search if package else ()
            if not any(map(self._is_local, directories)):
                return None
        elif name in sys.builtin_module_names:
            return None
        else:
            directories = self._path
        portions = []
        for directory in directories:
            base = os.path.join(directory, tail)
            if os.path.isfile(f"{base}/__init__.py"):
                return Found(name, f"{base}/__init__.py", (base,))
            for suffix in _SUFFIXES:
                if os.path.isfile(base + suffix):
                    return Found(name, base + suffix)
            if os.path.isdir(base):
                portions.append(base)
        return Found(name, "", tuple(portions)) if portions else None

    def _ship(self, found: Found) -> None:
        """Collect a module's file, if it has one and it is local, and the packages around it."""
        if found in self._shipped or not found.file or not self._is_local(found.file):
            return
        self._shipped.add(found)
        package = found.name if found.search else found.name.rpartition(".")[0]
        path = _path_by_name(found)
        if not found.file.endswith(f"/{path}"):
            # Loaded by a hook, or by the script from a file of its choice: serve either.
            self._place((_BY_NAME, path), found.file, package)
            below = found.file.removeprefix(self._script_root + "/")
            if self._script_root and below != found.file:
                self._place((self._script_root, below), found.file, package)
            return
        root = found.file.removesuffix(f"/{path}") or "/"
        self._place((root, path), found.file, package)
        for directory in _directories_around(path):
            init = os.path.join(root, directory, "__init__.py")
            if init != found.file and os.path.isfile(init):
                self._ship(Found(directory.replace("/", "."), init, (os.path.dirname(init),)))

    def _place(self, place: Place, file: str, package: str) -> None:
        there = self._files.setdefault(place, file)
        source = read_source(file)
        if there != file and read_source(there).sha256 != source.sha256:
            raise ProgramError(
                f"{file} and {there} are imported under one name, {place[1]}; rename one of them"
            )
        self._waiting.append((package, source))


def _foreign_prefixes() -> tuple[str, ...]:
    import sysconfig  # slow to load, and no use before something is shipped

    # LIBRARY: a virtual environment's own "platstdlib" is not where its library is
    homes = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    homes += [LIBRARY, GLOWPY]
    real = [os.path.realpath(home) for home in homes]
    return tuple({os.path.join(os.path.abspath(home), "") for home in homes + real})


def _loaded(module: object) -> Found | None:
    """Where a loaded module came from; None if from no file, as those built in."""
    try:
        # Not vars(): a module that loads lazily would load now.
        names = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return None
    spec = names.get("__spec__")
    name = getattr(spec, "name", None)
    if not isinstance(name, str):
        return None
    search = tuple(os.path.abspath(entry) for entry in _search_path(names) if entry)
    if getattr(spec, "has_location", False) and isinstance(spec.origin, str):
        return Found(name, os.path.abspath(spec.origin), search)
    return Found(name, "", search) if search else None


def _search_path(names: dict[str, object]) -> list[str]:
    path = names.get("__path__")
    try:
        return [entry for entry in path if isinstance(entry, str)] if path else []  # type: ignore[attr-defined]
    except KeyError:
        return []  # a namespace below a package that is no longer loaded


def _path_by_name(found: Found) -> str:
    """Where below its root a module of this name is, if its file is where Python would look."""
    stem, dot, suffix = os.path.basename(found.file).partition(".")
    path = found.name.replace(".", "/")
    if found.search or stem == "__init__":
        return f"{path}/__init__{dot}{suffix}"
    return f"{path}{dot}{suffix}"


def _directories_around(path: str) -> Iterator[str]:
    while path := os.path.dirname(path):
        yield path


def _base(statement: Import, package: str) -> str | None:
    """The absolute name of what is imported from; None if it leads out of all packages."""
    if not statement.level:
        return statement.module
    parts = package.split(".") if package else []
    if statement.level > len(parts):
        return None
    kept = parts[: len(parts) - statement.level + 1]
    return ".".join([*kept, statement.module] if statement.module else kept)
