"""Data files of local packages, for `importlib.resources`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from glowpy.program.manifest import path_fault
from glowpy.record import NamedTuple
from glowpy.resources import MEGABYTE

MAX_FILES = 1000  # of one package
MAX_BYTES = 16 * MEGABYTE

_INIT = "/__init__.py"
_CODE = (".py", ".pyc", ".pyi", ".so", ".pyd")

Placed = tuple[int, str, str]  # number of the root, path below it, local file


class PackageData(NamedTuple):
    """The data files of a program's packages."""

    files: list[Placed]
    left_out: list[str]  # directories of packages whose data exceed the bounds


def package_data(placed: list[Placed]) -> PackageData:
    """Return the data files of the outermost packages of a program."""
    taken = {(root, path) for root, path, _local in placed}
    found: dict[tuple[int, str], str] = {}
    left_out: list[str] = []
    outermost: list[str] = []
    for root, path, local in sorted(placed, key=lambda each: len(each[1])):
        if not path.endswith(_INIT) or not local.endswith("/" + path):
            continue
        directory = local.removesuffix(_INIT)
        if any(directory.startswith(each + "/") for each in outermost):
            continue
        outermost.append(directory)
        files = _bounded(directory)
        if files is None:
            left_out.append(directory)
            continue
        base = directory.removesuffix(path.removesuffix(_INIT))
        found.update({(root, file.removeprefix(base)): file for file in files})
    kept = [
        (root, path, file)
        for (root, path), file in sorted(found.items())
        if (root, path) not in taken and not path_fault(path)
    ]
    return PackageData(kept, left_out)


def _bounded(directory: str) -> list[str] | None:
    """Return all data files below a package; None if they exceed the limits."""
    files, size_bytes = [], 0
    for file, size in _data_files(directory):
        files.append(file)
        size_bytes += size
        if len(files) > MAX_FILES or size_bytes > MAX_BYTES:
            return None
    return files


def _data_files(directory: str) -> Iterator[tuple[str, int]]:
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(each for each in folders if each[0] != "." and each != "__pycache__")
        for name in sorted(names):
            if name[0] == "." or name.endswith(_CODE):
                continue
            file = os.path.join(folder, name)
            try:
                status = os.stat(file)
            except OSError:  # a dangling link
                continue
            if stat.S_ISREG(status.st_mode) and os.access(file, os.R_OK):
                yield file, status.st_size
