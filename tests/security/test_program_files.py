"""Tasks can write to the agent's files, but no run executes a file of an earlier run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import run, server

HELPER = "def answer(): return 'right'\n"
EVIL = "def answer(): return 'wrong'\n"
SCRIPT = """
import sys
import helper
from attack import poison
from glowpy import Flow

def each(row):
    return helper.answer(), poison() if "attack" in sys.argv else 0

print(Flow().slice([1]).map(each).collect())
"""
ATTACK = f"""
import importlib.util, os
from importlib._bootstrap_external import _code_to_timestamp_pyc
from pathlib import Path
import helper

HELPER, EVIL = {HELPER!r}, {EVIL!r}

def poison():
    \"\"\"Replace copies of the helper by others of equal size and time, and compiled code.\"\"\"
    folder = Path(helper.__file__).parent
    compiled = Path(importlib.util.cache_from_source(helper.__file__))
    while not (folder / ".glowpy-agent").exists():
        folder = folder.parent
    code, mtime = compile(EVIL, helper.__file__, "exec"), int(os.stat(helper.__file__).st_mtime)
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(_code_to_timestamp_pyc(code, mtime, len(EVIL)))
    written = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size == len(HELPER):
            if path.read_text() != HELPER:
                continue
            times = path.stat()
            path.chmod(0o600)
            path.write_text(EVIL)
            path.chmod(0o400)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            written += 1
    return written
"""


@pytest.fixture
def leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(tmp_path / "agent")]
    with (
        server(tmp_path, "master", "--address", "127.0.0.1:0") as master,
        server(tmp_path, "agent", "--master", master.address, *place),
    ):
        yield master.address


@pytest.mark.slow
def test_a_task_cannot_poison_a_module_of_the_next_run(leader: str, tmp_path: Path) -> None:
    for name, text in (("script", SCRIPT), ("helper", HELPER), ("attack", ATTACK)):
        (tmp_path / f"{name}.py").write_text(text)
    flags = ["-glow", f"-glow.leader={leader}"]
    ended = run(tmp_path, "script.py", "attack", *flags)
    # the program was loaded before
    assert re.fullmatch(r"\[\('right', [1-9]\)\]\n", ended.stdout), ended
    ended = run(tmp_path, "script.py", *flags)
    assert ended.stdout == "[('right', 0)]\n", ended.stderr
