"""The workloads as glowpy flows: `flows.py WORKLOAD DATA OUT [glowpy's flags]`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import glowpy
from glowpy import Flow

SHARDS = 2


def w1(data: str, out: str) -> None:
    """Word count into one file."""
    (
        Flow()
        .text_file(f"{data}/text.txt", SHARDS)
        .flat_map(lambda line: line.split(" "))
        .map(lambda word: (word, 1))
        .reduce_by_key(lambda x, y: x + y)
        .map(lambda word, count: f"{word}\t{count}")
        .save_text_to_file(out)
    )


def w2(data: str, out: str) -> None:
    """Number of words in lines that are no comments."""
    count_tokens(f"{data}/text.txt", " ")


def w3(data: str, out: str) -> None:
    """An inner join: the number of its rows, and the sum of left times right."""
    flow = Flow()
    left = flow.text_file(f"{data}/left.tsv", SHARDS).map(parsed)
    right = flow.text_file(f"{data}/right.tsv", SHARDS).map(parsed)
    totals = (
        left.join(right)
        .map(lambda key, x, y: (1, x * y))
        .reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]))
        .collect()
    )
    print("RESULT", *totals[0])


def w4(data: str, out: str) -> None:
    """Rows sorted by their key into one file."""
    (
        Flow()
        .text_file(f"{data}/sort.txt", SHARDS)
        .map(lambda line: (line[:10], line[11:]))
        .sort()
        .map(lambda key, payload: f"{key}\t{payload}")
        .save_text_to_file(out)
    )


def w5(data: str, out: str) -> None:
    """Rows grouped by key: how many values each has, and the largest."""
    (
        Flow()
        .text_file(f"{data}/left.tsv", SHARDS)
        .map(parsed)
        .group_by_key()
        .map(lambda key, values: f"{key}\t{len(values)}\t{max(values)}")
        .save_text_to_file(out)
    )


def w6(data: str, out: str) -> None:
    """w2 on a small file: what it costs to start."""
    count_tokens("/etc/passwd", ":")


def parsed(line: str) -> tuple[str, int]:
    key, value = line.split("\t")
    return key, int(value)


def count_tokens(path: str, separator: str) -> None:
    counts = (
        Flow()
        .text_file(path, SHARDS)
        .filter(lambda line: not line.startswith("#"))
        .flat_map(lambda line: line.split(separator))
        .map(lambda token: 1)
        .reduce(lambda x, y: x + y)
        .collect()
    )
    print("RESULT", *counts)


WORKLOADS: dict[str, Callable[[str, str], None]] = {
    "w1": w1,
    "w2": w2,
    "w3": w3,
    "w4": w4,
    "w5": w5,
    "w6": w6,
}

if __name__ == "__main__":
    workload, data, out = glowpy.argv()
    if workload not in WORKLOADS:
        sys.exit(f"no workload {workload}; there are {', '.join(WORKLOADS)}")
    WORKLOADS[workload](data, out)
