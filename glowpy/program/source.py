"""One local file: its current SHA-256 and its imports. Read once per process."""

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

_known: dict[str, ModuleSource] = {}  # by path; an entry is valid while its stamp equals the file's


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement. `from ..module import names` has level 2; names may be submodules."""

    level: int
    module: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A file of the user, with a stamp that changes with the file."""

    stamp: tuple[int, ...]
    sha256: str
    size_bytes: int
    imports: tuple[Import, ...]
    changed_ns: int  # time of the last change of the text or of the file's status


def read_source(path: str) -> ModuleSource:
    """Return the file at `path`. Files other than Python source have no imports.

    Raises:
        ProgramError: the file cannot be read.
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
    # the status time as well, because tools such as `cp -p` and `rsync` set the modification time
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    source = ModuleSource(
        stamp=_stamp(status),
        sha256=sha256_of(content),
        size_bytes=len(content),
        imports=imports,
        changed_ns=changed_ns,
    )
    _known[path] = source
    return source


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (
        *(status.st_size, status.st_mtime_ns, status.st_ctime_ns),
        *(status.st_ino, status.st_dev),
    )


def _imports(content: bytes) -> Iterator[Import]:
    """Yield every import statement of a source, including those inside functions."""
    if b"import" not in content:
        return
    import ast  # imported here, because ast loads slower than a small script is shipped

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python shows the warnings when it runs the code
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return  # the import of the module raises the error
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(0, alias.name, ())
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names if alias.name != "*")
            yield Import(node.level, node.module or "", names)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements at any depth. Expressions, most of a tree, contain none."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(node, field, None)
            if isinstance(below, list):  # the body of a lambda is an expression
                waiting.extend(below)
