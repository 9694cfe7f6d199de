"""Memory over budget: operators over more rows than fit, and what each process takes.

    python benchmarks/memory.py reduce_by_key --rows 50000000 --keys 22500000
    python benchmarks/memory.py sort|join|group_by_key|distinct|hot_key --rows 50000000

Prints wall time and, for each process, the peak of the memory that it shares with no other.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from glowpy import Flow
from glowpy.agent.guard import private_mb

SOURCES = 8
LOOKS_PER_SECOND = 10


def numbers(source: int, rows: int, below: int) -> Iterator[int]:
    """A source's share of the rows; the same at every call."""
    draw = random.Random(source).random
    for _ in range(rows // SOURCES):
        yield int(draw() * below)


def reduce_by_key(flow: Flow, rows: int, keys: int) -> None:
    """How often each number was drawn: one row for each of them, in order."""
    totals = (
        flow.slice(range(SOURCES), SOURCES)
        .flat_map(lambda source: numbers(source, rows, keys))
        .map(lambda number: (number, 1))
        .reduce_by_key(lambda x, y: x + y)
    )
    check(totals.map(lambda key, count: (key, count)).reduce(in_order).collect(), rows)


def sort(flow: Flow, rows: int, keys: int) -> None:
    """All numbers in order, equal ones too."""
    drawn = flow.slice(range(SOURCES), SOURCES).flat_map(lambda s: numbers(s, rows, keys))
    check(drawn.sort().map(lambda number: (number, 1)).reduce(in_order).collect(), rows)


def join(flow: Flow, rows: int, keys: int) -> None:
    """Numbers with all even ones: each even number that was drawn is there once."""
    drawn = flow.slice(range(SOURCES), SOURCES).flat_map(lambda s: numbers(s, rows, keys))
    even = flow.slice(range(SOURCES), SOURCES).flat_map(lambda s: range(2 * s, keys, 2 * SOURCES))
    pairs = drawn.map(lambda number: (number, 1))
    found = pairs.join(even.map(lambda number: (number, 1))).count()
    expected = drawn.filter(lambda number: number % 2 == 0).count()
    assert found == expected, f"{found} instead of {expected}"
    print(f"{found} rows")


def hot_key(flow: Flow, rows: int, _keys: int) -> None:
    """A join in which every row of the left side has the same key."""
    left = flow.source(lambda: (("hot", number) for number in range(rows)), 2)
    found = left.join(flow.slice([("hot", 1), ("cold", 2)])).count()
    assert found == rows, f"{found} instead of {rows}"
    print(f"{found} rows")


def group_by_key(flow: Flow, rows: int, keys: int) -> None:
    """All numbers, grouped."""
    drawn = flow.slice(range(SOURCES), SOURCES).flat_map(lambda s: numbers(s, rows, keys))
    sizes = drawn.map(lambda number: (number, 1)).group_by_key().map(lambda _key, ones: len(ones))
    (found,) = sizes.reduce(lambda x, y: x + y).collect()
    assert found == rows // SOURCES * SOURCES, f"{found} of {rows} rows"
    print(f"{found} rows")


def distinct(flow: Flow, rows: int, keys: int) -> None:
    """Each number that was drawn, once."""
    drawn = flow.slice(range(SOURCES), SOURCES).flat_map(lambda s: numbers(s, rows, keys))
    print(f"{drawn.distinct().count()} rows")


def in_order(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """Adds up counts; keys must not go down."""
    assert left[0] <= right[0], f"{right[0]} comes after {left[0]}"
    return right[0], left[1] + right[1]


def check(result: list[tuple[int, int]], rows: int) -> None:
    ((_last, count),) = result
    assert count == rows // SOURCES * SOURCES, f"{count} of {rows} rows"
    print(f"{count} rows, in order")


OPERATORS = {
    each.__name__: each for each in (reduce_by_key, sort, join, group_by_key, distinct, hot_key)
}


def watch(command: list[str]) -> None:
    """Run a command and look at its processes."""
    began = time.perf_counter()
    process = subprocess.Popen(command)
    peaks: dict[int, int] = {}
    while process.poll() is None:
        family = [process.pid]
        try:
            family += [each.pid for each in psutil.Process(process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for pid in family:
            peaks[pid] = max(peaks.get(pid, 0), private_mb(pid, above_mb=-1))
        time.sleep(1 / LOOKS_PER_SECOND)
    print(f"{time.perf_counter() - began:.0f} s; peak private MB of each process:", end=" ")
    print(*sorted(peaks.values(), reverse=True))
    sys.exit(process.wait())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operator", choices=list(OPERATORS))
    parser.add_argument("--rows", type=int, default=50_000_000)
    # of 22.5 million numbers, 50 million draws hit 20 million
    parser.add_argument("--keys", type=int, default=22_500_000)
    parser.add_argument("--memory-mb", type=int, default=64)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.run:
        watch([sys.executable, __file__, *sys.argv[1:], "--run"])
    flow = Flow([f"-glow.task.memoryMB={arguments.memory_mb}"])
    OPERATORS[arguments.operator](flow, arguments.rows, arguments.keys)


if __name__ == "__main__":
    main()
