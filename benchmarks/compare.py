"""Runs workloads on several systems in turn, checks that they agree, and prints medians and ratios.

    python benchmarks/compare.py DATA [--rounds 5] [--workloads w1,w2,w6]

Wall seconds are those of a whole process, from its start to its end. Every round runs each system
once, so that a noisy machine is as noisy for all. The first round warms up and does not count.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
SYSTEMS = {
    "by hand": [sys.executable, str(HERE / "by_hand.py")],
    "glowpy": [sys.executable, str(HERE / "flows.py")],
    "glowpy -glow": [sys.executable, str(HERE / "flows.py"), "-glow", "-glow.quiet"],
}
# What a workload is measured by, if not by the same thing done by hand
BASES = {"w6": ("import zmq", [sys.executable, "-c", "import zmq"])}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one system."""

    wall_s: float
    cpu_s: float  # of all its processes that have been waited for
    digest: str


def run(command: Sequence[str], out: Path) -> Measured:
    """Run a command to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = sorted(done.stdout.splitlines())
    if out.exists():
        lines += sorted(out.read_bytes().splitlines())
        out.unlink()
    return Measured(wall_s, cpu_s, hashlib.md5(b"\n".join(lines)).hexdigest())


def compare(workload: str, data: Path, rounds: int) -> None:
    """Measure one workload and print its table."""
    runs: dict[str, list[Measured]] = {name: [] for name in SYSTEMS}
    base, base_command = BASES.get(workload, ("by hand", []))
    bases: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        for number in range(rounds + 1):
            for name, command in SYSTEMS.items():
                measured = run([*command, workload, str(data), str(out)], out)
                if number:
                    runs[name].append(measured)
            if base_command and number:
                bases.append(run(base_command, out).wall_s)
    digests = {each.digest for measured in runs.values() for each in measured}
    assert len(digests) == 1, f"{workload}: the systems do not agree"
    base_s = median(bases or [each.wall_s for each in runs[base]])
    print(
        f"\n{workload}: {rounds} rounds, median of wall seconds; 1.00 is `{base}`, {base_s:.3f} s"
    )
    for name, measured in runs.items():
        wall_s = median(each.wall_s for each in measured)
        cpu_s = median(each.cpu_s for each in measured)
        fastest = min(each.wall_s for each in measured)
        ratio = wall_s / base_s
        print(
            f"  {name:14} {wall_s:7.3f} s  {ratio:5.2f} x  (fastest {fastest:.3f}, cpu {cpu_s:.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", default="w1,w2,w6")
    arguments = parser.parse_args()
    for workload in arguments.workloads.split(","):
        compare(workload, arguments.data, arguments.rounds)


if __name__ == "__main__":
    main()
