"""A process with few file descriptors completes its work or reports the limit, and never hangs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.processes import flags_of, started

pytestmark = pytest.mark.slow

SCRIPT = """
from glowpy import Flow
rows = Flow().slice(range(100), 4).partition(3).map(lambda row: 1)
print(rows.reduce(lambda x, y: x + y).collect())
"""


@pytest.mark.parametrize("mode", ["plain", "cluster"])
def test_few_descriptors(mode: str, cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, "script.py", "-glow.quiet", *flags_of(mode, cluster)]
    outcomes = set()
    for count in (8, 40, 56, 72, 128):
        line = f'ulimit -n {count}; exec "$@"'
        with started(tmp_path, "-c", line, "sh", *words, program="sh") as running:
            ended = running.finish()
        outcomes.add(ended.status)
        if ended.status == 0:
            assert (ended.stdout, ended.stderr) == ("[100]\n", "")
        else:
            assert "\nglowpy.errors." in ended.stderr
            assert "Too many open files" in ended.stderr
    assert 0 in outcomes and 1 in outcomes
