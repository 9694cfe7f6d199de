"""Where a workload's processes spend their time, by py-spy: percent of all samples.

    pip install py-spy
    python benchmarks/where.py DATA [w1 w2 ...]

Samples of all processes from start to end, 500 a second, without those of threads that only wait.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

FLOWS = Path(__file__).resolve().parent / "flows.py"
WAITING = "lifeline.py"  # its thread is blocked in a read, which py-spy takes for work

LOOP = "the fused loop itself"
USER = "the user's functions"
READING = "reading and splitting text"
SECOND = "second step group, in one task"
TASKS = "the rest of the tasks"
OTHERS = "fork server, driver, start and end"


def part_of(stack: str) -> str:
    """What a sample is counted for."""
    innermost = stack.rsplit(";", 1)[-1]
    if "fold_by_key (" in stack or "reading.py" in stack:
        return SECOND
    if "flows.py" in innermost and "<lambda>" in innermost:
        return USER
    if "<glowpy fused steps>" in innermost:
        return LOOP
    if "read_lines (" in stack:
        return READING
    return TASKS if "attempt.py" in stack else OTHERS


def where(workload: str, data: str) -> Counter[str]:
    """Number of samples for each part."""
    with tempfile.TemporaryDirectory() as directory:
        samples = Path(directory) / "samples"
        spy = ["py-spy", "record", "--subprocesses", "--rate=500", "--format=raw", "-o", samples]
        flow = [sys.executable, FLOWS, workload, data, Path(directory) / "out"]
        subprocess.run([*spy, "--", *flow], check=True, capture_output=True)
        counts: Counter[str] = Counter()
        for line in samples.read_text().splitlines():
            stack, count = line.rsplit(" ", 1)
            if WAITING not in stack.rsplit(";", 1)[-1]:
                counts[part_of(stack)] += int(count)
        return counts


if __name__ == "__main__":
    for name in sys.argv[2:] or ["w1", "w2"]:
        counted = where(name, sys.argv[1])
        print(f"\n{name}: {counted.total()} samples")
        for part in (LOOP, USER, READING, SECOND, TASKS, OTHERS):
            print(f"  {part:32} {100 * counted[part] / counted.total():5.1f} %")
