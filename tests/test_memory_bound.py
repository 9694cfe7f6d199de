"""Rows that exceed the memory budget: a correct result, and memory near the budget."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "memory.py"
MOST_MB = 25  # a process without rows takes about 10; without a budget these take 45 and 96


@pytest.mark.slow
@pytest.mark.parametrize(("operator", "rows"), [("sort", 6_000_000), ("reduce_by_key", 2_000_000)])
def test_rows_far_beyond_the_budget(operator: str, rows: int, tmp_path: Path) -> None:
    sizes = ["--rows", str(rows), "--keys", str(rows * 2 // 5), "--memory-mb", "1"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), operator, *sizes],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert f"{rows} rows, in order" in done.stdout
    peaks = re.search(r"private MB of each process: ([\d ]+)", done.stdout)
    assert peaks is not None, done.stdout
    assert all(int(peak) <= MOST_MB for peak in peaks[1].split()), done.stdout
    assert list(tmp_path.iterdir()) == [], "temporary files are left"
