"""The workloads on Bytewax, two processes of one worker each:

python -m bytewax.testing -p 2 "bytewax_flow.py:flow('WORKLOAD', 'DATA', 'OUT')"
"""

from __future__ import annotations

import os
from typing import TypeVar

import bytewax.operators as op
from bytewax.connectors.files import FileSink
from bytewax.connectors.stdio import StdOutSink
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

T = TypeVar("T")

BATCH_LINES = 1000
EVERYTHING = "all"  # the key where all rows have to come together


class Half(FixedPartitionedSource[str, None]):
    """A half of a text file for each worker; Bytewax's own source has one worker read it all."""

    def __init__(self, path: str) -> None:
        self._path = path

    def list_parts(self) -> list[str]:
        return ["0", "1"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Lines:
        size = os.path.getsize(self._path)
        with open(self._path, "rb") as file:
            file.seek(size // 2)
            file.readline()
            middle = file.tell()
        return Lines(self._path, 0, middle) if for_part == "0" else Lines(self._path, middle, size)


class Lines(StatefulSourcePartition[str, None]):
    """Lines of a range that begins and ends where lines do."""

    def __init__(self, path: str, low: int, high: int) -> None:
        self._file = open(path, "rb")  # noqa: SIM115  # closed below
        self._file.seek(low)
        self._left_bytes = high - low

    def next_batch(self) -> list[str]:
        if not self._left_bytes:
            raise StopIteration
        batch: list[str] = []
        while self._left_bytes and len(batch) < BATCH_LINES:
            line = self._file.readline()
            self._left_bytes -= len(line)
            batch.append(line.decode().removesuffix("\n"))
        return batch

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        self._file.close()


def flow(workload: str, data: str, out: str) -> Dataflow:
    """The workload's flow; Bytewax's command runs it."""
    made = Dataflow(workload)
    {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}[workload](made, data, out)
    return made


def w1(flow: Dataflow, data: str, out: str) -> None:
    """Word count into one file."""
    lines = op.input("lines", flow, Half(f"{data}/text.txt"))
    words = op.flat_map("split", lines, lambda line: line.split(" "))
    pairs = op.map("pair", words, lambda word: (word, 1))
    counts = op.reduce_final("sum", pairs, lambda x, y: x + y)
    save(counts, out)


def w2(flow: Dataflow, data: str, out: str) -> None:
    """Number of words in lines that are no comments."""
    count_tokens(flow, f"{data}/text.txt", " ")


def w3(flow: Dataflow, data: str, out: str) -> None:
    """An inner join: the number of its rows, and the sum of left times right."""
    left = op.map("left", op.input("left lines", flow, Half(f"{data}/left.tsv")), parsed)
    right = op.map("right", op.input("right lines", flow, Half(f"{data}/right.tsv")), parsed)
    joined = op.join("join", left, right, insert_mode="product", emit_mode="final")
    products = op.map("product", joined, lambda row: (EVERYTHING, product(*row[1])))
    total = op.reduce_final("sum", products, lambda a, b: (a[0] + b[0], a[1] + b[1]))
    texts = op.map("text", total, lambda row: f"RESULT {row[1][0]} {row[1][1]}")
    op.output("out", texts, StdOutSink())


def w4(flow: Dataflow, data: str, out: str) -> None:
    """Rows sorted by their key into one file. Bytewax has no sort: one worker gathers them all."""
    lines = op.input("lines", flow, Half(f"{data}/sort.txt"))
    rows = op.map("pair", lines, lambda line: (EVERYTHING, (line[:10], line[11:])))
    gathered = op.fold_final("gather", rows, list, appended)
    save(op.flat_map("sort", gathered, lambda row: sorted(row[1])), out)


def w5(flow: Dataflow, data: str, out: str) -> None:
    """Rows grouped by key: how many values each has, and the largest."""
    rows = op.map("parse", op.input("lines", flow, Half(f"{data}/left.tsv")), parsed)
    groups = op.fold_final("group", rows, list, appended)
    save(
        op.map("count", groups, lambda row: (row[0], f"{len(row[1])}\t{max(row[1])}")),
        out,
    )


def w6(flow: Dataflow, data: str, out: str) -> None:
    """w2 on a small file: what it costs to start."""
    count_tokens(flow, "/etc/passwd", ":")


def count_tokens(flow: Dataflow, path: str, separator: str) -> None:
    lines = op.input("lines", flow, Half(path))
    kept = op.filter("keep", lines, lambda line: not line.startswith("#"))
    tokens = op.flat_map("split", kept, lambda line: line.split(separator))
    ones = op.map("one", tokens, lambda token: (EVERYTHING, 1))
    count = op.reduce_final("sum", ones, lambda x, y: x + y)
    op.output("out", op.map("text", count, lambda row: f"RESULT {row[1]}"), StdOutSink())


def parsed(line: str) -> tuple[str, int]:
    key, value = line.split("\t")
    return key, int(value)


def product(x: int | None, y: int | None) -> tuple[int, int]:
    """Bytewax's join is an outer one: what has no match counts for nothing."""
    return (0, 0) if x is None or y is None else (1, x * y)


def appended(rows: list[T], row: T) -> list[T]:
    rows.append(row)
    return rows


def save(rows: Stream[tuple[str, object]], out: str) -> None:
    texts = op.map("text", rows, lambda row: (row[0], f"{row[0]}\t{row[1]}"))
    op.output("out", texts, FileSink(out))
