"""How long executors idle when one driver gives them back and another waits for them.

    python benchmarks/hand_over.py [--rounds 5] [--executors 4]

Each round starts one run that holds every executor of a cluster for three seconds, and beside it a
run that waits. The idle time of an executor lasts from the end of a row of the first run to the
start of a row of the second, and contains the start of a process. Prints the median and the largest
of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = """
import time
import glowpy
from glowpy import Flow

name, tasks, seconds = glowpy.argv()

def work(row):
    for event in "begun", "ended":
        with open(f"{name}.{event}", "a") as times:
            times.write(f"{time.monotonic()}\\n")
        if event == "begun":
            time.sleep(float(seconds))

Flow().slice(range(int(tasks)), int(tasks)).for_each(work)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--executors", type=int, default=4)
    options = parser.parse_args()
    idle_s: list[float] = []
    command = [sys.executable, "-m", "glowpy", "cluster", "--agents", "1", "--port", "0"]
    command += ["--executors", str(options.executors)]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as cluster,
    ):
        assert cluster.stdout is not None
        leader = next(
            line.rpartition("leader ")[2].split()[0].rstrip(",;")
            for line in cluster.stdout
            if "leader " in line
        )
        try:
            for _ in range(options.rounds):
                idle_s += one_round(Path(directory), leader, options.executors)
        finally:
            cluster.terminate()
    print(
        f"idle per executor: median {statistics.median(idle_s):.3f} s, "
        f"largest {max(idle_s):.3f} s, of {len(idle_s)}"
    )


def one_round(directory: Path, leader: str, executors: int) -> list[float]:
    """Seconds that each executor has idled between two runs."""
    (directory / "script.py").write_text(SCRIPT, encoding="utf-8")

    def driver(name: str, seconds: float) -> subprocess.Popen[bytes]:
        words = ["-glow", f"-glow.leader={leader}", "-glow.quiet", name, str(executors)]
        return subprocess.Popen([sys.executable, "script.py", *words, str(seconds)], cwd=directory)

    def times(event: str) -> list[float]:
        path = directory / event
        return sorted(map(float, path.read_text().split())) if path.exists() else []

    with driver("first", 3.0) as first:
        while len(times("first.begun")) < executors:
            time.sleep(0.01)
        with driver("second", 0.1) as second:
            assert first.wait() == second.wait() == 0
    pairs = zip(times("first.ended"), times("second.begun"), strict=True)
    idle_s = [begun - ended for ended, begun in pairs]
    for path in directory.iterdir():
        path.unlink()
    return idle_s


if __name__ == "__main__":
    main()
