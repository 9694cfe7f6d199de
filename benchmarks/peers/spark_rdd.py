"""The workloads on PySpark's RDDs, two threads: `spark_rdd.py WORKLOAD DATA OUT`."""

from __future__ import annotations

import shutil
import sys
from operator import add
from pathlib import Path

from pyspark import RDD, SparkConf, SparkContext

SHARDS = 2


def w1(spark: SparkContext, data: str, out: str) -> None:
    """Word count into one file."""
    counts = (
        spark.textFile(f"{data}/text.txt", SHARDS)
        .flatMap(lambda line: line.split(" "))
        .map(lambda word: (word, 1))
        .reduceByKey(lambda x, y: x + y, SHARDS)
        .map(lambda row: f"{row[0]}\t{row[1]}")
    )
    save(counts, out)


def w2(spark: SparkContext, data: str, out: str) -> None:
    """Number of words in lines that are no comments."""
    count_tokens(spark, f"{data}/text.txt", " ")


def w3(spark: SparkContext, data: str, out: str) -> None:
    """An inner join: the number of its rows, and the sum of left times right."""
    left = spark.textFile(f"{data}/left.tsv", SHARDS).map(parsed)
    right = spark.textFile(f"{data}/right.tsv", SHARDS).map(parsed)
    total = (
        left.join(right, SHARDS)
        .map(lambda row: (1, row[1][0] * row[1][1]))
        .reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]))
    )
    print("RESULT", *total)


def w4(spark: SparkContext, data: str, out: str) -> None:
    """Rows sorted by their key into one file."""
    rows = (
        spark.textFile(f"{data}/sort.txt", SHARDS)
        .map(lambda line: (line[:10], line[11:]))
        .sortByKey()
        .map(lambda row: f"{row[0]}\t{row[1]}")
    )
    save(rows, out)


def w5(spark: SparkContext, data: str, out: str) -> None:
    """Rows grouped by key: how many values each has, and the largest."""
    groups = (
        spark.textFile(f"{data}/left.tsv", SHARDS)
        .map(parsed)
        .groupByKey(SHARDS)
        .map(lambda row: f"{row[0]}\t{len(row[1])}\t{max(row[1])}")
    )
    save(groups, out)


def w6(spark: SparkContext, data: str, out: str) -> None:
    """w2 on a small file: what it costs to start."""
    count_tokens(spark, "/etc/passwd", ":")


def parsed(line: str) -> tuple[str, int]:
    key, value = line.split("\t")
    return key, int(value)


def count_tokens(spark: SparkContext, path: str, separator: str) -> None:
    count = (
        spark.textFile(path, SHARDS)
        .filter(lambda line: not line.startswith("#"))
        .flatMap(lambda line: line.split(separator))
        .map(lambda token: 1)
        .reduce(add)
    )
    print("RESULT", count)


def save(lines: RDD[str], out: str) -> None:
    """Spark writes a file for each shard; the other systems write one."""
    lines.saveAsTextFile(f"file://{out}.parts")
    with open(out, "wb") as whole:
        for path in sorted(Path(f"{out}.parts").glob("part-*")):
            with path.open("rb") as part:
                shutil.copyfileobj(part, whole, 1 << 20)
    shutil.rmtree(f"{out}.parts")


if __name__ == "__main__":
    workload, data, out = sys.argv[1:]
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "6g",
        "spark.local.dir": str(Path(out).parent),
    }
    conf = SparkConf().setMaster(f"local[{SHARDS}]").setAppName(workload).setAll(settings.items())
    with SparkContext(conf=conf) as spark:
        {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}[workload](spark, data, out)
