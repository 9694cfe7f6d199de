"""Runs workloads on several systems in turn, checks that they agree, and prints medians and ratios.

    python benchmarks/compare.py DATA [--rounds 5] [--workloads w1,w2,w3,w4,w5,w6]
        [--systems "by hand,glowpy,glowpy -glow"] [--before CHECKOUT] [--peers DIRECTORY]
        [--limit-s 300] [--markdown]

Wall seconds are those of a whole process, from its start to its end. Every round runs each system
once, so that a noisy machine is as noisy for all. The first round warms up; only the peak of the
memory is of that round, because looking costs time: PSS, added up over all processes of a system.
CPU seconds are of processes that were waited for, which Ray's workers are not.
"before" and "before -glow" are the glowpy of another checkout, with its own .venv (`make demo`).
A peer takes part if DIRECTORY has its environment; `peers/install.py DIRECTORY` makes them.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage
from statistics import median
from threading import Event, Thread, Timer

import psutil

HERE = Path(__file__).resolve().parent
OURS = {
    "by hand": [sys.executable, f"{HERE}/by_hand.py"],
    "glowpy": [sys.executable, f"{HERE}/flows.py"],
    "glowpy -glow": [sys.executable, f"{HERE}/flows.py", "-glow", "-glow.quiet"],
}
# The environment of a peer, its package and its program
PEERS = {
    "spark": ("spark", "pyspark", "spark_rdd.py"),
    "dask": ("dask", "dask", "dask_bag.py"),
    "dask distributed": ("dask", "dask", "dask_bag.py"),
    "ray": ("ray", "ray", "ray_data.py"),
    "bytewax": ("bytewax", "bytewax", "bytewax_flow.py"),
    "polars": ("polars", "polars", "polars_frames.py"),
    "duckdb": ("duckdb", "duckdb", "duckdb_sql.py"),
}
SETTINGS = {
    "POLARS_MAX_THREADS": "2",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
}
IN_ORDER = {"w4"}  # the other workloads' lines may come in any order
# What a workload is measured by, if not by the same thing done by hand
BASES = {"w6": ("import zmq", [sys.executable, "-c", "import zmq"])}
GRACE_S = 10
LOOK_S = 0.05
PR_SET_CHILD_SUBREAPER = 36


class Failed(Exception):
    """A run that does not count, and why."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one system."""

    wall_s: float
    cpu_s: float  # of all its processes that have been waited for
    digest: str


def command(system: str, peers: Path | None, workload: str, data: Path, out: Path) -> list[str]:
    """The command that runs a workload on a system."""
    arguments = [workload, str(data), str(out)]
    if system in OURS:
        return [*OURS[system], *arguments]
    environment, _package, program = PEERS[system]
    python, path = f"{peers}/{environment}/bin/python", f"{HERE}/peers/{program}"
    if system == "bytewax":
        return [python, "-m", "bytewax.testing", "-p", "2", f"{path}:flow{tuple(arguments)}"]
    return [python, path, *arguments, *system.split()[1:]]


def commands_of(checkout: Path) -> dict[str, list[str]]:
    """The commands of another checkout of glowpy."""
    flows = [f"{checkout}/.venv/bin/python", f"{checkout}/benchmarks/flows.py"]
    return {"before": flows, "before -glow": [*flows, "-glow", "-glow.quiet"]}


def run(command: Sequence[str], out: Path, limit_s: float, in_order: bool = False) -> Measured:
    """Run a command to its end.

    Raises:
        Failed: if it fails or takes too long.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        timer = Timer(limit_s, end_children)
        timer.start()
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=os.environ | SETTINGS,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        usages = [usage, *left_behind()]
        stdout.seek(0)
        stderr.seek(0)
        lines = [line for line in stdout.read().splitlines() if line.startswith(b"RESULT")]
        if wall_s >= limit_s:
            out.unlink(missing_ok=True)
            raise Failed(f"> {limit_s:g}")
        if process.returncode:
            raise Failed(f"failed: {stderr.read()[-2000:].decode(errors='replace')}")
    if out.exists():
        lines += out.read_bytes().splitlines()
        out.unlink()
    text = b"\n".join(lines if in_order else sorted(lines))
    return Measured(
        wall_s,
        sum(each.ru_utime + each.ru_stime for each in usages),
        hashlib.md5(text).hexdigest(),
    )


def left_behind() -> Iterator[struct_rusage]:
    """Processes that outlive the command get a while to end; none meets the next run."""
    timer = Timer(GRACE_S, end_children)
    timer.start()
    try:
        while True:
            yield os.wait4(-1, 0)[2]
    except ChildProcessError:
        timer.cancel()


def end_children() -> None:
    for process in psutil.Process().children(recursive=True):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


class MemoryWatch:
    """The most memory that all descendants have together; of what n share, each has 1/n."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._stopped = Event()
        self._thread = Thread(target=self._look)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_S):
            size = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    size += process.memory_full_info().pss
                except psutil.Error:  # it has just ended
                    continue
            self.peak_mb = max(self.peak_mb, size / 1e6)


@dataclass(frozen=True, slots=True)
class Row:
    """What one system took for one workload."""

    wall: str
    peak: str


def compare(
    workload: str, systems: list[str], arguments: argparse.Namespace
) -> tuple[dict[str, Row], str]:
    """Measure one workload and print its table. Returns its rows, and what 1.00 is."""
    rounds: int = arguments.rounds
    runs: dict[str, list[Measured]] = {name: [] for name in systems}
    peaks_mb: dict[str, float] = {}
    failed: dict[str, str] = {}
    base, base_command = BASES.get(workload, (systems[0], []))
    bases: list[float] = []
    expected = ""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        for number in range(rounds + 1):
            for name in systems:
                if name in failed:
                    continue
                line = command(name, arguments.peers, workload, arguments.data, out)
                try:
                    with MemoryWatch() if not number else nullcontext() as watch:
                        measured = run(line, out, arguments.limit_s, workload in IN_ORDER)
                    expected = expected or measured.digest
                    if measured.digest != expected:
                        raise Failed("failed: its result is not that of the first system")
                except Failed as problem:
                    failed[name] = str(problem)
                    continue
                if watch:
                    peaks_mb[name] = watch.peak_mb
                else:
                    runs[name].append(measured)
            if base_command and number:
                bases.append(run(base_command, out, arguments.limit_s).wall_s)
    base_s = median(bases or [each.wall_s for each in runs[base]] or [float("nan")])
    note = f"{workload}: 1.00 is `{base}`, {base_s:.3f} s"
    print(f"\n{note}; {rounds} rounds, median of wall seconds")
    rows = {}
    for name in systems:
        if name in failed:
            print(f"  {name:16} {failed[name]}")
            rows[name] = Row(failed[name].partition(":")[0], "")
            continue
        wall_s = median(each.wall_s for each in runs[name])
        cpu_s = median(each.cpu_s for each in runs[name])
        peak_mb = peaks_mb[name]
        fastest = min(each.wall_s for each in runs[name])
        ratio = wall_s / base_s
        print(
            f"  {name:16} {wall_s:7.3f} s  {ratio:6.2f} x"
            f"  (fastest {fastest:.3f}, cpu {cpu_s:.2f}, memory {peak_mb:.0f} MB)"
        )
        rows[name] = Row(f"{wall_s:.2f} ({ratio:.2f})", f"{peak_mb:.0f}")
    sys.stdout.flush()
    return rows, note


def print_markdown(
    results: dict[str, tuple[dict[str, Row], str]],
    systems: list[str],
    arguments: argparse.Namespace,
) -> None:
    """Both tables for a README: seconds, and memory."""
    print(f"\n{machine()}\n")
    sizes = [
        f"{each} {megabytes(arguments.data / each)}"
        for each in ("text.txt", "sort.txt", "left.tsv")
    ]
    print(f"{', '.join(sizes)}; {arguments.rounds} rounds after one to warm up\n")
    names = {name: f"{name}{version(name, arguments.peers)}" for name in systems}
    for title in ("wall seconds, median", "peak memory, MB"):
        print(f"| {title} | {' | '.join(results)} |\n|---{'|---' * len(results)}|")
        for name in systems:
            rows = [rows[name] for rows, _note in results.values()]
            cells = [row.wall if title.startswith("wall") else row.peak for row in rows]
            print(f"| {names[name]} | {' | '.join(cells)} |")
        print()
    print("; ".join(note for _rows, note in results.values()) + ".")


def machine() -> str:
    """The processor, its cores, the system and Python."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
    memory_gib = psutil.virtual_memory().total / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {sys.version.split()[0]}"


def version(system: str, peers: Path | None) -> str:
    if system not in PEERS:
        return ""
    environment, package, _program = PEERS[system]
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    return (
        " "
        + subprocess.check_output(
            [f"{peers}/{environment}/bin/python", "-c", ask], text=True
        ).strip()
    )


def megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", default="w1,w2,w3,w4,w5,w6")
    parser.add_argument("--systems", help="all that are there, if not said")
    parser.add_argument("--peers", type=Path, help="a directory with an environment for each")
    parser.add_argument("--limit-s", type=float, default=300)
    parser.add_argument("--markdown", action="store_true", help="print tables for a README, too")
    parser.add_argument("--before", type=Path, help="another checkout of glowpy, with its .venv")
    arguments = parser.parse_args()
    if arguments.before:
        OURS.update(commands_of(arguments.before.resolve()))
    there = [*OURS]
    if arguments.peers:
        there += [
            name
            for name, (environment, _package, _program) in PEERS.items()
            if (arguments.peers / environment / "bin" / "python").exists()
        ]
    systems = arguments.systems.split(",") if arguments.systems else there
    if unknown := [name for name in systems if name not in there]:
        parser.error(f"not there: {', '.join(unknown)}; there are: {', '.join(there)}")
    # what a run leaves behind becomes a child of this process, which can then wait for it
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    results = {each: compare(each, systems, arguments) for each in arguments.workloads.split(",")}
    if arguments.markdown:
        print_markdown(results, systems, arguments)
    if any(row.wall == "failed" for rows, _note in results.values() for row in rows.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
