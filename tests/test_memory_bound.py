"""Rows that do not fit: finished, correct, and no process takes much more than its budget."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "memory.py"
ROWS = 2_000_000  # as Python objects some dozens of times the budget, in each executor
PROCESS_MB = 20  # of its own, before any rows


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["sort", "reduce_by_key"])
def test_rows_far_beyond_the_budget(operator: str, tmp_path: Path) -> None:
    sizes = ["--rows", str(ROWS), "--keys", str(ROWS * 2 // 5), "--memory-mb", "1"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), operator, *sizes],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert f"{ROWS} rows, in order" in done.stdout
    peaks = re.search(r"private MB of each process: ([\d ]+)", done.stdout)
    assert peaks is not None, done.stdout
    assert all(int(peak) <= PROCESS_MB + 20 for peak in peaks[1].split()), done.stdout
    assert list(tmp_path.iterdir()) == [], "temporary files are left"
