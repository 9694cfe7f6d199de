"""The user's imported files: loaded modules, and all modules that they may import.

A module is looked up as by Python's path finder, without running import hooks. Files of the
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
_BY_NAME = ""  # the root of modules whose paths do not match their names

Place = tuple[str, str]  # a root, and the path below it


@dataclass(frozen=True, slots=True)
class Found:
    """A module by its name: its file ("" for a namespace), and the search path of submodules."""

    name: str
    file: str
    search: tuple[str, ...] = ()  # empty unless the module is a package


class LocalModules:
    """Collects local files, each with its path below the root of its import."""

    def __init__(self, script_root: str = "") -> None:
        path = [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]
        self._path = tuple(dict.fromkeys(path))
        self._script_root = script_root
        self._foreign = _foreign_prefixes()
        self._found: dict[str, Found | None] = {}
        self._shipped: set[Found] = set()
        self._files: dict[Place, str] = {}
        self._waiting: list[tuple[str, ModuleSource]] = []  # packages and files yet to follow

    def add_loaded(self, *, skip_vanished: bool = False) -> None:
        """Add every loaded module except the main module.

        A file may have been removed since. A re-launched script would need it; a pickled flow
        rarely does, and a test session may have loaded modules from a directory that it has
        removed.
        """
        for name, module in list(sys.modules.items()):
            found = None if name in ("__main__", "__mp_main__") else _loaded(module)
            if found is not None and not (skip_vanished and not os.path.exists(found.file)):
                self._ship(found)

    def add_main(self, main: object) -> None:
        """Add the module run by `python -m`, which is loaded under another name."""
        found = _loaded(main)
        if found is not None:
            self._ship(found)

    def add_module(self, name: str) -> None:
        """Add a module by name, with its parent packages."""
        for end in [place for place, letter in enumerate(name) if letter == "."] + [len(name)]:
            found = self._find(name[:end])
            if found is None:
                return
            self._ship(found)

    def add_script(self, file: str, name: str) -> None:
        """Add the script itself, which is not a module and may have any name."""
        self._place((self._script_root, name), file, package="")

    def follow_imports(self) -> None:
        """Add all modules that the files may import, and the imports of those modules in turn."""
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
        """Return the number of each root, in the order of Python's path."""
        paths: dict[str, list[str]] = {}
        for root, path in sorted(self._files):
            paths.setdefault(root, []).append(path)
        order = [root for root in self._path if root in paths]
        if self._script_root in paths and self._script_root not in order:
            order.insert(0, self._script_root)
        # Roots of import hooks have no order; an order by content is the same on every host.
        order += sorted(paths.keys() - set(order), key=lambda root: (paths[root], root))
        return {root: number for number, root in enumerate(order)}

    def placed(self) -> list[tuple[int, str, str]]:
        """Return root number, path and local file of every collected file, in order."""
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
        """Look up a module that is not loaded, in Python's order."""
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
        """Collect the local file of a module, if any, and its parent packages."""
        if found in self._shipped or not found.file or not self._is_local(found.file):
            return
        self._shipped.add(found)
        package = found.name if found.search else found.name.rpartition(".")[0]
        path = _path_by_name(found)
        if not found.file.endswith(f"/{path}"):
            # Loaded by a hook, or by the script from a file of its choice: provide both places.
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
    import sysconfig  # slow to import, and not needed before a program is shipped

    # LIBRARY: the "platstdlib" of a virtual environment is not the location of its library
    homes = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    homes += [LIBRARY, GLOWPY]
    real = [os.path.realpath(home) for home in homes]
    return tuple({os.path.join(os.path.abspath(home), "") for home in homes + real})


def _loaded(module: object) -> Found | None:
    """Return the origin of a loaded module; None without a file, as for built-in modules."""
    try:
        # Not vars(): a lazily loaded module would be loaded now.
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
    """Return the path below its root where Python would look for a module of this name."""
    stem, dot, suffix = os.path.basename(found.file).partition(".")
    path = found.name.replace(".", "/")
    if found.search or stem == "__init__":
        return f"{path}/__init__{dot}{suffix}"
    return f"{path}{dot}{suffix}"


def _directories_around(path: str) -> Iterator[str]:
    while path := os.path.dirname(path):
        yield path


def _base(statement: Import, package: str) -> str | None:
    """Return the absolute module name of an import; None if it leads out of all packages."""
    if not statement.level:
        return statement.module
    parts = package.split(".") if package else []
    if statement.level > len(parts):
        return None
    kept = parts[: len(parts) - statement.level + 1]
    return ".".join([*kept, statement.module] if statement.module else kept)
