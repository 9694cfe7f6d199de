"""The workloads on Ray Data, two CPUs: `ray_data.py WORKLOAD DATA OUT`."""

from __future__ import annotations

import logging
import sys

import ray

CPUS = 2


def w1(data: str, out: str) -> None:
    """Word count into one file."""
    counts = (
        ray.data.read_text(f"{data}/text.txt")
        .flat_map(lambda row: [{"word": word, "n": 1} for word in row["text"].split(" ")])
        .groupby("word")
        .sum("n")
    )
    save(counts, out)


def w2(data: str, out: str) -> None:
    """Number of words in lines that are no comments."""
    count_tokens(f"{data}/text.txt", " ")


def w3(data: str, out: str) -> None:
    """An inner join: the number of its rows, and the sum of left times right."""
    left = ray.data.read_text(f"{data}/left.tsv").map(parsed)
    right = ray.data.read_text(f"{data}/right.tsv").map(parsed)
    totals = (
        left.join(right, join_type="inner", num_partitions=CPUS, on=("key",), right_suffix="_right")
        .map(lambda row: {"n": 1, "product": row["value"] * row["value_right"]})
        .sum(["n", "product"])
    )
    print("RESULT", totals["sum(n)"], totals["sum(product)"])


def w4(data: str, out: str) -> None:
    """Rows sorted by their key into one file."""
    rows = (
        ray.data.read_text(f"{data}/sort.txt")
        .map(lambda row: {"key": row["text"][:10], "payload": row["text"][11:]})
        .sort("key")
    )
    save(rows, out)


def w5(data: str, out: str) -> None:
    """Rows grouped by key: how many values each has, and the largest."""
    groups = (
        ray.data.read_text(f"{data}/left.tsv")
        .map(parsed)
        .groupby("key")
        .map_groups(
            lambda group: {
                "key": [group["key"][0]],
                "n": [len(group["value"])],
                "largest": [max(group["value"])],
            }
        )
    )
    save(groups, out)


def w6(data: str, out: str) -> None:
    """w2 on a small file: what it costs to start."""
    count_tokens("/etc/passwd", ":")


def parsed(row: dict[str, str]) -> dict[str, object]:
    key, value = row["text"].split("\t")
    return {"key": key, "value": int(value)}


def count_tokens(path: str, separator: str) -> None:
    count = (
        ray.data.read_text(path)
        .filter(lambda row: not row["text"].startswith("#"))
        .flat_map(lambda row: [{"token": token} for token in row["text"].split(separator)])
        .map(lambda row: {"n": 1})
        .sum("n")
    )
    print("RESULT", count)


def save(rows: ray.data.Dataset, out: str) -> None:
    """Rows in their order."""
    with open(out, "w", encoding="utf-8") as file:
        for batch in rows.iter_batches(batch_format="numpy", batch_size=1 << 16):
            rows = zip(*batch.values(), strict=True)
            file.writelines("\t".join(map(str, row)) + "\n" for row in rows)


if __name__ == "__main__":
    workload, data, out = sys.argv[1:]
    ray.init(
        num_cpus=CPUS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}[workload](data, out)
