"""The workloads on Polars, no function called per row: `polars_frames.py WORKLOAD DATA OUT`."""

from __future__ import annotations

import sys

import polars
from polars import LazyFrame, String, col


def lines(path: str) -> LazyFrame:
    return columns(path, "\x01", ["line"])  # a separator that no line has


def columns(path: str, separator: str, names: list[str]) -> LazyFrame:
    return polars.scan_csv(
        path,
        has_header=False,
        separator=separator,
        quote_char=None,
        schema=dict.fromkeys(names, String),
    )


def pairs(path: str) -> LazyFrame:
    return columns(path, "\t", ["key", "value"]).with_columns(col("value").cast(polars.Int64))


def save(rows: LazyFrame, out: str) -> None:
    rows.sink_csv(out, include_header=False, separator="\t", quote_style="never")


def w1(data: str, out: str) -> None:
    """Word count into one file."""
    words = lines(f"{data}/text.txt").select(col("line").str.split(" ").alias("word"))
    save(words.explode("word").group_by("word").agg(polars.len()), out)


def w2(data: str, out: str) -> None:
    """Number of words in lines that are no comments."""
    count_tokens(f"{data}/text.txt", " ")


def w3(data: str, out: str) -> None:
    """An inner join: the number of its rows, and the sum of left times right."""
    left, right = pairs(f"{data}/left.tsv"), pairs(f"{data}/right.tsv")
    product = (col("value") * col("value_right")).sum().alias("sum")
    joined = left.join(right, on="key").select(polars.len(), product)
    print("RESULT", *joined.collect(engine="streaming").row(0))


def w4(data: str, out: str) -> None:
    """Rows sorted by their key into one file."""
    save(columns(f"{data}/sort.txt", "\t", ["key", "payload"]).sort("key"), out)


def w5(data: str, out: str) -> None:
    """Rows grouped by key: how many values each has, and the largest."""
    groups = pairs(f"{data}/left.tsv").group_by("key")
    save(groups.agg(polars.len(), col("value").max()), out)


def w6(data: str, out: str) -> None:
    """w2 on a small file: what it costs to start."""
    count_tokens("/etc/passwd", ":")


def count_tokens(path: str, separator: str) -> None:
    count = (
        lines(path)
        .filter(~col("line").str.starts_with("#"))
        .select(col("line").str.split(separator).list.len().cast(polars.Int64).sum())
        .collect(engine="streaming")
        .item()
    )
    print("RESULT", count)


if __name__ == "__main__":
    workload, data, out = sys.argv[1:]
    {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}[workload](data, out)
