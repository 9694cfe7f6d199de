"""Texts and modules of a driver and its tasks, made comparable.

A task has the program's files, its working directory, temporary files and Python in other places
than the driver. Each such path in a text is replaced.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable

_TEMPORARY = "<temporary>"
_PYTHON = "<python>"
_END = r"(?=[/'\"\s]|$)"


def temporary_directory() -> str:
    """Where this process makes temporary files."""
    return os.path.abspath(os.environ.get("TMPDIR") or "/tmp")


def working_directory() -> str:
    """The working directory; empty if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def text_of_driver(roots: Iterable[str]) -> Callable[[str], str]:
    """Maps a text of the driver: the directory of a link to the script counts as the script's."""
    file = getattr(sys.modules["__main__"], "__file__", None) or ""
    real = os.path.dirname(os.path.realpath(file))
    links = {os.path.dirname(path) for path in (file, os.path.normpath(file))} - {"", real}
    replaced = [(re.escape(link), real) for link in sorted(links) if real in set(roots)]
    return _Replaced(replaced, [temporary_directory()])


def text_of_task(
    code: str, roots: tuple[str, ...], directory: str, temporary: str
) -> Callable[[str], str]:
    """Maps a text of a task to that of the driver.

    Args:
        code: the directory of the program's roots in the task.
        roots: of the driver, by number.
        directory: the driver's working directory.
        temporary: the driver's directory of temporary files.
    """
    replaced = [
        (re.escape(os.path.join(code, f"r{number}")), root) for number, root in enumerate(roots)
    ]
    here = working_directory()
    if here not in ("", "/", directory):
        replaced.append((re.escape(here), directory))
    return _Replaced(replaced, [temporary, temporary_directory()])


def code_directory(digest: str) -> str:
    """The directory of a program's roots in this task; empty if there is none."""
    mark = f"/code/{digest}/r"
    path = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), *sys.path]
    found = next((entry for entry in path if mark in entry), "")
    return os.path.dirname(found)


def files_of_task(code: str, roots: tuple[str, ...]) -> Callable[[str], bool]:
    """Tells of a file whether it is the program's: a copy below `code`, or a file that has one.

    A script that puts a directory of the driver on `sys.path` itself (`sys.path.insert(0, "/lib")`)
    loads modules from there and not their copies, if the task's host has that directory.

    Args:
        code: the directory of the program's roots in the task.
        roots: of the driver, by number.
    """
    below = os.path.join(code, "")
    places = [
        (os.path.join(root, ""), os.path.join(code, f"r{number}"))
        for number, root in enumerate(roots)
        if root
    ]

    def is_local_file(file: str) -> bool:
        return file.startswith(below) or any(
            file.startswith(root) and os.path.isfile(os.path.join(copy, file[len(root) :]))
            for root, copy in places
        )

    return is_local_file


def local_modules(is_local_file: Callable[[str], bool]) -> Callable[[str], bool]:
    """Tells of a module, by its name, whether it belongs to the program."""
    known = {"__main__": True}

    def is_local(name: str) -> bool:
        found = known.get(name)
        if found is None:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            origin = None if spec is None or not spec.has_location else spec.origin
            if isinstance(origin, str) and not os.path.isabs(origin):
                origin = os.path.join(working_directory(), origin)
            found = isinstance(origin, str) and is_local_file(os.path.normpath(origin))
            known[name] = found
        return found

    return is_local


class _Replaced:
    """Called with a text: replaces paths in it, and what chance has put into names."""

    def __init__(self, replaced: list[tuple[str, str]], temporary: list[str]) -> None:
        replaced = [*replaced, (re.escape(sys.executable or _PYTHON), _PYTHON)]
        self._patterns = [
            (re.compile(path + _END), place.replace("\\", r"\\")) for path, place in replaced
        ]
        folders = sorted({*temporary, "/tmp", "/var/tmp"}, key=len, reverse=True)
        self._folders = re.compile(
            rf"(?:{'|'.join(map(re.escape, folders))})(/[^/'\"]*?)[a-z0-9_]{{8}}(?=[./'\"]|$)"
        )

    def __call__(self, text: str) -> str:
        if "/" not in text:
            return text
        for pattern, place in self._patterns:
            text = pattern.sub(place, text)
        return self._folders.sub(rf"{_TEMPORARY}\1*", text)
