"""The workloads on Dask's bags: `dask_bag.py WORKLOAD DATA OUT [processes|distributed]`.

`processes` is the scheduler that bags use by default, `distributed` a cluster of two workers.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable
from operator import add, itemgetter

import dask
import dask.bag
from dask.distributed import Client, LocalCluster

BLOCK = "16MB"
PROCESSES = 2


def lines(path: str) -> dask.bag.Bag:
    return dask.bag.read_text(path, blocksize=BLOCK).map(lambda line: line.removesuffix("\n"))


def write(out: str, texts: Iterable[str]) -> None:
    with open(out, "w", encoding="utf-8") as file:
        file.writelines(f"{text}\n" for text in texts)


def w1(data: str, out: str) -> None:
    """Word count into one file."""
    counts = (
        lines(f"{data}/text.txt")
        .map(lambda line: line.split(" "))
        .flatten()
        .map(lambda word: (word, 1))
        .foldby(lambda row: row[0], lambda total, row: total + row[1], 0, add, 0)
        .map(lambda row: f"{row[0]}\t{row[1]}")
    )
    write(out, counts.compute())


def w2(data: str, out: str) -> None:
    """Number of words in lines that are no comments."""
    count_tokens(f"{data}/text.txt", " ")


def w3(data: str, out: str) -> None:
    """An inner join: the number of its rows, and the sum of left times right."""
    left = lines(f"{data}/left.tsv").map(parsed)
    # a bag is joined with one of a single partition
    right = dask.bag.read_text(f"{data}/right.tsv").map(parsed)
    total = (
        left.join(right, itemgetter(0), itemgetter(0))
        .map(lambda row: (1, row[0][1] * row[1][1]))
        .fold(lambda a, b: (a[0] + b[0], a[1] + b[1]))
    )
    print("RESULT", *total.compute())


def w4(data: str, out: str) -> None:
    """Rows sorted by their key into one file. Bags have no sort: parts are sorted, then merged."""
    parts = (
        lines(f"{data}/sort.txt")
        .map(lambda line: (line[:10], line[11:]))
        .map_partitions(sorted)
        .to_delayed()
    )
    rows = heapq.merge(*dask.compute(*parts))
    write(out, (f"{key}\t{payload}" for key, payload in rows))


def w5(data: str, out: str) -> None:
    """Rows grouped by key: how many values each has, and the largest."""
    groups = (
        lines(f"{data}/left.tsv")
        .map(parsed)
        .groupby(itemgetter(0))
        .map(lambda group: f"{group[0]}\t{len(group[1])}\t{max(row[1] for row in group[1])}")
    )
    write(out, groups.compute())


def w6(data: str, out: str) -> None:
    """w2 on a small file: what it costs to start."""
    count_tokens("/etc/passwd", ":")


def parsed(line: str) -> tuple[str, int]:
    key, value = line.removesuffix("\n").split("\t")
    return key, int(value)


def count_tokens(path: str, separator: str) -> None:
    count = (
        lines(path)
        .filter(lambda line: not line.startswith("#"))
        .map(lambda line: line.split(separator))
        .flatten()
        .map(lambda token: 1)
        .fold(add)
    )
    print("RESULT", count.compute())


if __name__ == "__main__":
    workload, data, out, *scheduler = sys.argv[1:]
    run = {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}[workload]
    if scheduler == ["distributed"]:
        with (
            LocalCluster(n_workers=PROCESSES, threads_per_worker=1, dashboard_address=None) as here,
            Client(here),
        ):
            run(data, out)
    else:
        with dask.config.set(scheduler="processes", num_workers=PROCESSES):
            run(data, out)
