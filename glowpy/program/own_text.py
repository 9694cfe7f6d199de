"""Texts and module names, made comparable between a driver and its tasks.

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
    """Return the directory of this process's temporary files."""
    return os.path.abspath(os.environ.get("TMPDIR") or "/tmp")


def working_directory() -> str:
    """Return the working directory; empty if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def text_of_driver(roots: Iterable[str]) -> Callable[[str], str]:
    """Return a function for the driver's texts, which maps a link's directory to the script's."""
    file = getattr(sys.modules["__main__"], "__file__", None) or ""
    real = os.path.dirname(os.path.realpath(file))
    links = {os.path.dirname(path) for path in (file, os.path.normpath(file))} - {"", real}
    replaced = [(re.escape(link), real) for link in sorted(links) if real in set(roots)]
    return _Replaced(replaced, [temporary_directory()])


def text_of_task(
    code: str, roots: tuple[str, ...], directory: str, temporary: str
) -> Callable[[str], str]:
    """Return a function that maps a text of a task to the driver's text.

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
    """Return the directory of a program's roots in this task; empty if there is none."""
    mark = f"/code/{digest}/r"
    path = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), *sys.path]
    found = next((entry for entry in path if mark in entry), "")
    return os.path.dirname(found)


def files_of_task(code: str, roots: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a predicate for files of the program: copies below `code`, or files with a copy there.

    A script that extends `sys.path` by a directory of the driver (`sys.path.insert(0, "/lib")`)
    loads modules from that directory instead of the copies, if the task's host has the directory.

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
    """Return a predicate for the names of modules that belong to the program."""
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
    """Replaces paths, and random parts of temporary names, in a text."""

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
