"""Every operator returns equal rows of equal types in equal order, in every mode."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import flags_of, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ("-m", "tests.every_operator_script")
EXPECTED = (ROOT / "tests" / "golden" / "every_operator.txt").read_text(encoding="utf-8")

# Modes, budgets in MB, workers and hash seeds: any two values of two of the columns meet in a run,
# except for workers, whose number only a standalone run sets.
RUNS = [
    ("inline", 1, 0, "random"),
    ("inline", 1024, 0, "0"),
    ("plain", 1, 5, "0"),
    ("plain", 1024, 1, "random"),
    ("cluster", 1, 0, "random"),
    ("cluster", 1024, 0, "0"),
]


@pytest.mark.parametrize(("mode", "memory_mb", "workers", "hash_seed"), RUNS)
def test_rows_of_every_operator_are_the_same_in_every_run(
    mode: str, memory_mb: int, workers: int, hash_seed: str, cluster: str
) -> None:
    flags = [*flags_of(mode, cluster), f"-glow.task.memoryMB={memory_mb}"]
    if workers:
        flags.append(f"-glow.workers={workers}")
    ended = run(ROOT, *SCRIPT, *flags, environment={"PYTHONHASHSEED": hash_seed})
    assert ended.stdout == EXPECTED


def test_rows_of_every_operator_are_the_same_on_every_python() -> None:
    """Run on each Python of the search path that has glowpy's libraries."""
    for minor in range(10, 16):
        python = shutil.which(f"python3.{minor}")
        if python is not None and is_able(python):
            ended = subprocess.run(
                [python, *SCRIPT, "-glow.inline"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert ended.stdout == EXPECTED, f"{python}: {ended.stderr}"


def is_able(python: str) -> bool:
    """Return whether this Python starts and has glowpy's libraries."""
    needed = [python, "-c", "import click, cloudpickle, msgpack, psutil, zmq"]
    return subprocess.run(needed, capture_output=True, timeout=60).returncode == 0
