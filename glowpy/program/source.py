"""One local file as it is now: its SHA-256, and what its code imports. Read once per process."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glowpy.errors import ProgramError, reason_of
from glowpy.program.manifest import sha256_of

if TYPE_CHECKING:
    import ast

COMPILED = (".so", ".pyc")

_known: dict[str, ModuleSource] = {}  # by path; an entry counts while its stamp is the file's


@dataclass(frozen=True, slots=True)
class Import:
    """`from ..module import names` has level 2; each name may be a submodule. `import` has none."""

    level: int
    module: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A file of the user's, and the stamp that tells whether it has changed since."""

    stamp: tuple[int, ...]
    sha256: str
    size_bytes: int
    imports: tuple[Import, ...]
    changed_ns: int  # when the text, or anything else of the file, was last changed


def read_source(path: str) -> ModuleSource:
    """The file at `path`. Files that are not Python source import nothing.

    Raises:
        ProgramError: it cannot be read.
    """
    try:
        known = _known.get(path)
        if known is not None and known.stamp == _stamp(os.stat(path)):
            return known
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except OSError as exc:
        reason = reason_of(exc)
        if exc.errno == errno.ENOTDIR:
            reason = "it is inside an archive; unpack that, agents get plain files"
        raise ProgramError(
            f"agents need {path}, which this program imports, but it cannot be read: {reason}"
        ) from exc
    imports = () if path.endswith(COMPILED) else tuple(_imports(content))
    # the time of the change of status, too: it cannot be set, as `cp -p` and `rsync` do the other
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    source = ModuleSource(_stamp(status), sha256_of(content), len(content), imports, changed_ns)
    _known[path] = source
    return source


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (
        *(status.st_size, status.st_mtime_ns, status.st_ctime_ns),
        *(status.st_ino, status.st_dev),
    )


def _imports(content: bytes) -> Iterator[Import]:
    """Every import statement of a source, those inside of functions too."""
    if b"import" not in content:
        return
    import ast  # only here: loading it costs more than shipping a small script

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python has shown them, or will where it runs the code
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return  # importing it raises the error
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(0, alias.name, ())
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names if alias.name != "*")
            yield Import(node.level, node.module or "", names)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements, however deep. Expressions hold none, and are most of a tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(node, field, None)
            if isinstance(below, list):  # the body of a lambda is none
                waiting.extend(below)
