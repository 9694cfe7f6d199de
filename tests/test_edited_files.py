"""A script or module that is edited after the driver has loaded it is refused."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from glowpy.errors import ProgramError
from glowpy.program.discovery import pickled_program
from glowpy.program.loaded_text import LoadedTexts, note_loaded
from glowpy.program.source import read_source
from tests.failing_scripts import error_text, failure
from tests.processes import flags_of, run

TEXT = "LIMIT = 1\n\n\ndef double(x):\n    return x * 2\n"

Edit = Callable[[Path], None]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that this process has loaded from a file."""
    (tmp_path / "edited_words.py").write_text(TEXT, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("edited_words")
    del sys.modules["edited_words"]


def check(module: ModuleType) -> None:
    path = str(module.__file__)
    LoadedTexts(ModuleType("__main__")).check(path, read_source(path))


def replace(old: str, new: str) -> Edit:
    def edit(path: Path) -> None:
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    return edit


def move(path: Path) -> None:
    """Replace a file by another file with an old modification time."""
    other = path.with_suffix(".new")
    other.write_text(TEXT.replace("* 2", "* 3"), encoding="utf-8")
    os.utime(other, (1, 1))
    other.replace(path)


EDITS: dict[str, Edit] = {
    "a function": replace("* 2", "* 3"),
    "a new function": replace("LIMIT", "def f(): pass\n\n\nLIMIT"),
    "a syntax error": replace("LIMIT = 1", "LIMIT = (1"),
    "another file in its place": move,
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_module_is_refused(edit: str, words: ModuleType) -> None:
    check(words)
    EDITS[edit](Path(str(words.__file__)))
    with pytest.raises(ProgramError, match=r"^edited_words\.py has changed since this process"):
        check(words)


@pytest.mark.parametrize("edit", [*EDITS.values(), replace("LIMIT = 1", "LIMIT = 2")])
def test_an_edit_after_the_first_flow_is_refused(edit: Edit, words: ModuleType) -> None:
    note_loaded(ModuleType("__main__"))
    edit(Path(str(words.__file__)))
    with pytest.raises(ProgramError, match="has changed"):
        check(words)


def test_a_constant_that_python_has_written_down_is_compared(
    words: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    importlib.reload(words)
    replace("LIMIT = 1", "LIMIT = 2")(Path(str(words.__file__)))
    with pytest.raises(ProgramError, match="has changed"):
        check(words)


def test_an_edited_module_does_not_go_along_with_a_pickled_flow(words: ModuleType) -> None:
    """The case of a notebook that has not reloaded the module."""
    pickled_program(b"flow")
    replace("LIMIT = 1", "LIMIT = 20")(Path(str(words.__file__)))
    with pytest.raises(ProgramError, match="has changed"):
        pickled_program(b"flow")
    importlib.reload(words)
    pickled_program(b"flow")


def test_a_file_rewritten_with_equal_bytes_is_no_edit(words: ModuleType) -> None:
    path = Path(str(words.__file__))
    check(words)
    os.utime(path)
    check(words)
    path.write_text(TEXT, encoding="utf-8")
    check(words)


def test_a_module_that_is_loaded_again_is_the_new_one(words: ModuleType) -> None:
    check(words)
    replace("* 2", "* 33")(Path(str(words.__file__)))
    importlib.reload(words)
    check(words)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["script.py", "words.py"])
def test_a_script_that_edits_itself_or_its_module(name: str, cluster: str, tmp_path: Path) -> None:
    script = f"""
import glowpy, pathlib, words
if not glowpy.is_task():
    file = pathlib.Path({name!r})
    file.write_text(file.read_text().replace("x * 2", "x * 3") + "later = 1\\n")
glowpy.Flow().slice([1, 2]).map(words.double).map(lambda x: x * 2).run()
"""
    (tmp_path / "words.py").write_text(TEXT, encoding="utf-8")
    text = error_text(failure(tmp_path, "cluster", cluster, script), ProgramError)
    assert text == (
        f"{name} has changed since this process loaded it ({tmp_path / name}): tasks would run "
        "the new text, and the driver has the old one; start the script again"
    )


@pytest.mark.slow
def test_a_script_that_touches_itself(cluster: str, tmp_path: Path) -> None:
    script = """
import glowpy, os, words
for name in ("script.py", "words.py"):
    os.utime(name)
print(glowpy.Flow().slice([1, 2]).map(words.double).collect())
"""
    (tmp_path / "words.py").write_text(TEXT, encoding="utf-8")
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    assert run(tmp_path, "script.py", *flags_of("cluster", cluster)).stdout == "[2, 4]\n"
