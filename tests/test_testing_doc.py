"""docs/testing.md: the files of the page are written, its tests and scripts are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import left_in

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
_BOUND_S = 120.0


def test_examples_of_the_document_work(tmp_path: Path) -> None:
    directory, temporary = tmp_path / "work", tmp_path / "tmp"
    directory.mkdir()
    temporary.mkdir()
    files = re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)```", TEXT, re.M | re.S)
    assert len(files) == TEXT.count("```python") == 4
    for name, text in files:
        (directory / name).write_text(text, encoding="utf-8")

    def said_by(*words: str) -> str:
        ended = subprocess.run(
            [sys.executable, *words],
            cwd=directory,
            env={
                **os.environ,
                "TMPDIR": str(temporary),
                "PYTHONPATH": str(ROOT),
                "PYTEST_ADDOPTS": "",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BOUND_S,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    assert "\n6 passed in " in said_by("-m", "pytest", "-q", "-p", "no:cacheprovider")
    ((command, expected),) = re.findall(
        r"^```console\n\$ python (\S+)\n(.*?)```", TEXT, re.M | re.S
    )
    assert said_by(command) == expected
    # pytest keeps the directories of its last runs
    assert [name for name in left_in(temporary) if not name.startswith("pytest-of-")] == []


def test_glowpy_and_pytest_do_not_load_the_testing_package() -> None:
    """Neither glowpy nor pytest, which finds plugins by entry points, loads glowpy.testing."""
    code = (
        "import glowpy, glowpy.pytest_errors, sys; glowpy.Flow; "
        "print(sorted(m for m in sys.modules if m.startswith('glowpy.testing')))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=_BOUND_S, cwd=ROOT
    )
    assert ended.stdout == "[]\n", ended.stderr
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    plugins = project.partition("pytest11]\n")[2].partition("\n\n")[0]
    assert plugins == 'glowpy = "glowpy.pytest_errors"'
