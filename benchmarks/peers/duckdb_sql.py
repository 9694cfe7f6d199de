"""The workloads on DuckDB, no function called per row: `duckdb_sql.py WORKLOAD DATA OUT`."""

from __future__ import annotations

import sys

import duckdb

THREADS = 2


def lines(path: str) -> str:
    return columns(path, "\x01", ["line"])  # a separator that no line has


def columns(path: str, separator: str, names: list[str]) -> str:
    types = dict.fromkeys(names, "VARCHAR")
    return (
        f"read_csv('{path}', header=false, auto_detect=false, delim='{separator}', quote='',"
        f" escape='', columns={types})"
    )


def pairs(path: str) -> str:
    rows = columns(path, "\t", ["key", "value"])
    return f"SELECT key, CAST(value AS BIGINT) AS value FROM {rows}"


def save(query: str, out: str) -> None:
    duckdb.execute(
        f"COPY ({query}) TO '{out}' (FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', ESCAPE '')"
    )


def w1(data: str, out: str) -> None:
    """Word count into one file."""
    words = f"SELECT unnest(string_split(line, ' ')) AS word FROM {lines(f'{data}/text.txt')}"
    save(f"SELECT word, count(*) FROM ({words}) GROUP BY word", out)


def w2(data: str, out: str) -> None:
    """Number of words in lines that are no comments."""
    count_tokens(f"{data}/text.txt", " ")


def w3(data: str, out: str) -> None:
    """An inner join: the number of its rows, and the sum of left times right."""
    row = duckdb.execute(
        f"SELECT count(*), sum(a.value * b.value) FROM ({pairs(f'{data}/left.tsv')}) a"
        f" JOIN ({pairs(f'{data}/right.tsv')}) b ON a.key = b.key"
    ).fetchone()
    print("RESULT", *row)


def w4(data: str, out: str) -> None:
    """Rows sorted by their key into one file."""
    rows = columns(f"{data}/sort.txt", "\t", ["key", "payload"])
    save(f"SELECT key, payload FROM {rows} ORDER BY key", out)


def w5(data: str, out: str) -> None:
    """Rows grouped by key: how many values each has, and the largest."""
    rows = pairs(f"{data}/left.tsv")
    save(f"SELECT key, count(*), max(value) FROM ({rows}) GROUP BY key", out)


def w6(data: str, out: str) -> None:
    """w2 on a small file: what it costs to start."""
    count_tokens("/etc/passwd", ":")


def count_tokens(path: str, separator: str) -> None:
    (count,) = duckdb.execute(
        f"SELECT sum(len(string_split(line, '{separator}'))) FROM {lines(path)}"
        " WHERE NOT starts_with(line, '#')"
    ).fetchone()
    print("RESULT", count)


if __name__ == "__main__":
    workload, data, out = sys.argv[1:]
    duckdb.execute(f"SET threads={THREADS}")
    {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}[workload](data, out)
