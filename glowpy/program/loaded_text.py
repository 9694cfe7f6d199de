"""Checks that a local file still has the text from which this process loaded it.

The driver ships the current text of a file. If the file was edited after the driver loaded it,
tasks would run other code. Python does not keep the text, so the file is compiled again and
compared with loaded code: a script with the main frame, a module with its functions and with the
bytecode file of the import. The comparison is needed only for files that have changed since the
start of the process. From the first flow on, digests of the texts are compared.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from types import CodeType, FunctionType, ModuleType

from glowpy.errors import ProgramError
from glowpy.installed import is_installed
from glowpy.program.manifest import sha256_of
from glowpy.program.source import ModuleSource, read_source

_SLACK_NS = 2_000_000_000  # tolerance between the clocks of processes and files
_PYC_HEADER_BYTES = 16

# For each local file loaded by this process: the module and its spec, which a reload replaces, and
# the SHA-256 of the first text read.
_seen: dict[str, tuple[ModuleType, object, str]] = {}
_compared: set[tuple[str, str]] = set()  # pairs of file and text that match the loaded code


def note_loaded(main: ModuleType) -> None:
    """Record the digests of all loaded local files. A driver calls this early."""
    for path, module in _loaded_modules(main).items():
        with suppress(ProgramError):  # an unreadable file; a run that ships it reports the error
            _seen.setdefault(path, (module, _spec_of(module), read_source(path).sha256))


class LoadedTexts:
    """Compares files with the modules that this process loaded from them."""

    def __init__(self, main: ModuleType) -> None:
        self._modules = _loaded_modules(main)
        self._started_ns = _process_start_ns() - _SLACK_NS

    def check(self, path: str, source: ModuleSource) -> None:
        """Refuse a file that was edited after this process loaded it.

        Raises:
            ProgramError: the file was edited.
        """
        module = self._modules.get(path)
        if module is None:
            return  # not loaded, so driver and tasks would load the same text
        now = module, _spec_of(module), source.sha256
        seen, spec, sha256 = _seen.setdefault(path, now)
        if seen is not module or spec is not _spec_of(module):
            _seen[path] = now
        elif sha256 != source.sha256:
            raise _edited(path)
        if source.changed_ns < self._started_ns or (path, source.sha256) in _compared:
            return
        compiled = _compiled(path, source)
        if compiled is None or any(each not in compiled for each in _loaded_code(module, path)):
            raise _edited(path)
        _compared.add((path, source.sha256))


def _loaded_modules(main: ModuleType) -> dict[str, ModuleType]:
    """Return the modules that Python loaded from plain source files, by path.

    Installed modules, several hundred, are skipped at once.
    """
    found = {}
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if spec is not None and type(getattr(spec, "loader", None)) is SourceFileLoader:
            path = spec.origin
            if not is_installed(path):
                found[os.path.abspath(path)] = module
    file = getattr(main, "__file__", None)
    if file is not None:
        found[os.path.abspath(file)] = main
    return found


def _spec_of(module: ModuleType) -> object:
    return getattr(module, "__spec__", None)  # None for the main module under a debugger


def _edited(path: str) -> ProgramError:
    return ProgramError(
        f"{os.path.basename(path)} has changed since this process loaded it ({path}): tasks would "
        "run the new text, and the driver has the old one; start the script again"
    )


def _compiled(path: str, source: ModuleSource) -> set[CodeType] | None:
    """Return all code objects of a file; None if the text cannot be compiled."""
    with open(path, "rb") as file:
        content = file.read()
    if sha256_of(content) != source.sha256:
        return None  # the file is changing right now
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return set(_with_inner(compile(content, path, "exec", dont_inherit=True)))
    except (SyntaxError, ValueError, RecursionError):
        return None


def _loaded_code(module: ModuleType, path: str) -> Iterator[CodeType]:
    """Yield the code loaded from a file, as far as the process still has it."""
    if module.__name__ == "__main__":
        name = os.path.basename(path)  # a debugger adds a frame
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        while frame is not None:
            code = frame.f_code
            is_main = frame.f_globals is module.__dict__ and code.co_name == "<module>"
            if is_main and os.path.basename(code.co_filename) == name:
                yield code
            frame = frame.f_back
    else:
        yield from _written_code(module)
    for value in list(vars(module).values()):
        members = list(vars(value).values()) if isinstance(value, type) else [value]
        for member in members:
            if isinstance(member, FunctionType) and member.__code__.co_filename == path:
                yield member.__code__


def _written_code(module: ModuleType) -> Iterator[CodeType]:
    """Yield the code of a module from the bytecode file of its import."""
    import marshal
    from importlib.util import MAGIC_NUMBER  # slow to load

    cached = module.__spec__.cached if module.__spec__ is not None else None
    if sys.dont_write_bytecode or not cached or not os.path.isfile(cached):
        return
    with open(cached, "rb") as file:
        data = file.read()
    if data[: len(MAGIC_NUMBER)] == MAGIC_NUMBER:
        yield marshal.loads(data[_PYC_HEADER_BYTES:])


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _process_start_ns() -> int:
    """Return the start time of this process by the clock of files; 0 if unknown."""
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0
    return time.time_ns() - int(age_s * 1e9)
